import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import { comparisonReportHtml } from "../simulator/reports/comparison-report.ts";
import { comparisonTable } from "../simulator/reports/comparison-table.ts";
import { comparisonCsv } from "../simulator/reports/csv.ts";
import { compare, type ComparisonPlan } from "../simulator/trials/comparison.ts";
import { fleetText } from "../simulator/trials/fleet-spec.ts";
import { parsePolicy, type PolicySpec } from "../simulator/trials/policy-spec.ts";
import { schedulingFrom } from "../simulator/trials/scheduling-spec.ts";
import { TrialPool } from "../simulator/trials/trial-pool.ts";
import { parseCount, parseFactor } from "./arguments.ts";
import {
  addPolicyOptions,
  addWorldOptions,
  onInterrupt,
  parseShare,
  type PolicyArguments,
  policySettings,
  provenanceOf,
  type WorldArguments,
  worldOf,
} from "./simulate-arguments.ts";
import { StatusLine } from "./status-line.ts";

interface CompareArguments extends WorldArguments, Omit<PolicyArguments, "placement"> {
  placement?: string[];
  policy?: PolicySpec[];
  loads: number[];
  seeds: number;
  confidence: number;
  highestLoad?: true | string;
  threads: number;
}

/** Of requests that have to meet the SLO where `--highest-load` does not say. */
const SHARE_MIN_DEFAULT = 0.99;
const POLICIES_MAX = 8;

export function addCompareCommand(simulate: Command): void {
  const command = simulate
    .command("compare")
    .description(
      "run several policies under the same loads and seeds, and say which is better and how surely",
    );
  addPolicyOptions(addWorldOptions(command))
    .option("--placement <profile>", "compare this placement; repeatable", collect)
    .option("--policy <name=part:policy,…>", "compare this combination; repeatable", collectPolicy)
    .option("--loads <factors>", "times the rate at which requests arrive", parseLoads, [1])
    .option("--seeds <count>", "how many seeds each is run with", parseCount, 5)
    .option("--confidence <share>", "of each interval by itself", parseShare, 0.95)
    .option(
      "--highest-load [share]",
      "find the highest load at which this share of requests meets --slo (0.99)",
    )
    .option("--threads <count>", "runs at the same time", parseCount, availableParallelism())
    .option("--csv <file>", "write a line for each run")
    .addHelpText(
      "after",
      `
The first policy is what the others are measured against. What one seed decides is the same for all of them, so
differences are taken seed by seed. Parts of a policy: config, placement, fairness, ordering, bands, saturation, shedding,
batching.
Ctrl-C ends it early, with the runs that had ended by then.

Examples:
  $ npm run headgate -- simulate compare --workload trace.jsonl --placement round-robin --placement kv-router \\
      --loads 0.5,1,1.5 --seeds 5 --slo ttft=2s,tpot=50ms --html compare.html
  $ npm run headgate -- simulate compare --workload trace.jsonl --slo ttft=2s --highest-load 0.99 \\
      --policy plain=placement:round-robin,fairness:round-robin \\
      --policy 'fair=placement:kv-router,fairness:las(half_life=30)'`,
    )
    .action(runComparison);
}

function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

function collectPolicy(value: string, earlier: PolicySpec[] = []): PolicySpec[] {
  try {
    return [...earlier, parsePolicy(value)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function parseLoads(value: string): number[] {
  return [...new Set(value.split(",").map(parseFactor))].sort((a, b) => a - b);
}

async function runComparison(given: CompareArguments): Promise<void> {
  const plan = planOf(given);
  const status = new StatusLine();
  await using pool = new TrialPool(given.threads);
  using _ = onInterrupt(() => pool.stop());
  status.show("starting");
  const comparison = await compare(plan, pool, ({ runs, of }) => {
    status.show(of === null ? `${runs} runs` : `${runs} of ${of} runs`);
  });
  status.clear();
  const provenance = provenanceOf(process.argv);
  const { slo } = plan.base;
  const described = {
    workload: comparison.runs[0]?.workload ?? given.workload,
    fleet: fleetText(plan.base.fleet),
    slo,
    shareMin: plan.shareMin,
  };
  process.stdout.write(`${described.workload} on ${described.fleet}\n\n${comparisonTable(comparison)}`);
  if (comparison.stopped) process.stdout.write("Stopped early: only runs that had ended are counted.\n");
  if (given.json !== undefined) {
    writeFileSync(given.json, `${JSON.stringify({ ...described, ...comparison, provenance }, null, 2)}\n`);
  }
  if (given.csv !== undefined) writeFileSync(given.csv, comparisonCsv(comparison.runs));
  if (given.html !== undefined) {
    writeFileSync(given.html, comparisonReportHtml({ ...described, comparison }, provenance));
  }
  if (comparison.violations.length > 0) process.exitCode = 1;
}

function planOf(given: CompareArguments): ComparisonPlan {
  const { placement: placements = [], policy: combinations = [], ...others } = given;
  const base = policySettings(others);
  const specs = [
    ...placements.map((placement): PolicySpec => ({ name: placement, settings: { placement } })),
    ...combinations,
  ];
  if (specs.length < 2) throw new Error("Give at least two policies: repeat --placement or --policy.");
  if (specs.length > POLICIES_MAX) throw new Error(`Give at most ${POLICIES_MAX} policies.`);
  const names = specs.map(({ name }) => name);
  const double = names.find((name, i) => names.indexOf(name) !== i);
  if (double !== undefined) throw new Error(`Two policies are named "${double}": write --policy name=….`);
  if (given.highestLoad !== undefined && given.slo === undefined) {
    throw new Error("--highest-load needs an SLO to meet: give --slo ttft=2s,tpot=50ms.");
  }
  return {
    base: worldOf(given),
    policies: specs.map(({ name, settings }) => ({
      name,
      scheduling: schedulingFrom({ ...base, ...settings }),
    })),
    loads: given.loads,
    seeds: Array.from({ length: given.seeds }, (_, i) => given.seed + i),
    confidence: given.confidence,
    shareMin: shareMinOf(given.highestLoad),
  };
}

function shareMinOf(highestLoad: true | string | undefined): number | null {
  if (highestLoad === undefined) return null;
  return highestLoad === true ? SHARE_MIN_DEFAULT : parseShare(highestLoad);
}
