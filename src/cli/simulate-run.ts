import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { seconds } from "../core/units.ts";
import { requestsCsv } from "../simulator/reports/csv.ts";
import { numberText, secondsText } from "../simulator/reports/numbers.ts";
import { runReportHtml } from "../simulator/reports/run-report.ts";
import { runTable } from "../simulator/reports/run-table.ts";
import { fleetText } from "../simulator/trials/fleet-spec.ts";
import { schedulingFrom } from "../simulator/trials/scheduling-spec.ts";
import type { TrialPlan, TrialProgress } from "../simulator/trials/trial.ts";
import { TrialPool } from "../simulator/trials/trial-pool.ts";
import {
  addPolicyOptions,
  addWorldOptions,
  onInterrupt,
  type PolicyArguments,
  policySettings,
  provenanceOf,
  type WorldArguments,
  worldOf,
} from "./simulate-arguments.ts";
import { parseFactor } from "./arguments.ts";
import { StatusLine } from "./status-line.ts";

type RunArguments = WorldArguments & PolicyArguments & { load: number };

const SAMPLE_EVERY_S = 1;
const MS_PER_SECOND = 1_000;

export function addRunCommand(simulate: Command): void {
  const command = simulate
    .command("run")
    .description("run one workload on one fleet under one set of policies, in virtual time");
  addPolicyOptions(addWorldOptions(command))
    .option("--placement <profile>", "how an endpoint is chosen, such as kv-router")
    .option("--load <factor>", "times the rate at which requests arrive", parseFactor, 1)
    .option("--csv <file>", "write a line for each request")
    .addHelpText(
      "after",
      `
Ctrl-C ends the run early, with what there is by then.

Examples:
  $ npm run headgate -- simulate run --workload conversation_trace.jsonl --fleet 8xh100-llama-3.1-8b \\
      --placement kv-router --slo ttft=2s,tpot=50ms --html run.html
  $ npm run headgate -- simulate run --workload poisson:rate=6,tenants=4 --fleet 2xprofile.json --fairness vtc
  $ npm run headgate -- simulate run --workload trace.csv --scale 2..16 --load 1.5 --csv requests.csv`,
    )
    .action(runOnce);
}

async function runOnce(given: RunArguments): Promise<void> {
  const policies = policySettings(given);
  const plan: TrialPlan = {
    ...worldOf(given),
    scheduling: schedulingFrom(policies),
    load: given.load,
    seed: given.seed,
    sampleEveryUs: seconds(SAMPLE_EVERY_S),
  };
  const status = new StatusLine();
  await using pool = new TrialPool(1);
  using _ = onInterrupt(() => pool.stop());
  const startedMs = performance.now();
  const outcome = await pool.run({ plan, keepResult: true }, (progress) => {
    status.show(progressText(progress, performance.now() - startedMs));
  });
  status.clear();
  const stopped = pool.isStopped;
  const { metrics, hash, violations } = outcome;
  const result = outcome.result!;
  const provenance = provenanceOf(process.argv);
  const described = {
    workload: outcome.workload,
    fleet: fleetText(plan.fleet),
    policies: policiesText(plan),
    load: given.load,
  };
  process.stdout.write(
    `${described.workload} on ${described.fleet}\n${described.policies}, load × ${numberText(given.load)}, seed ${given.seed}\n\n${runTable(metrics)}hash of effects  ${hash}\n`,
  );
  if (stopped) process.stdout.write("Stopped early: these are the requests that had ended.\n");
  if (given.json !== undefined) {
    const content = {
      ...described,
      seed: given.seed,
      slo: plan.slo,
      stopped,
      metrics,
      hash,
      violations,
      provenance,
    };
    writeFileSync(given.json, `${JSON.stringify(content, null, 2)}\n`);
  }
  if (given.csv !== undefined) writeFileSync(given.csv, requestsCsv(result, plan.slo));
  if (given.html !== undefined) {
    writeFileSync(
      given.html,
      runReportHtml({ ...described, slo: plan.slo, stopped, result, metrics }, provenance),
    );
  }
  if (violations.length === 0) return;
  process.stdout.write(`VIOLATIONS, so don't trust these figures:\n${violations.join("\n")}\n`);
  process.exitCode = 1;
}

function policiesText({ scheduling: { placement, queueing } }: TrialPlan): string {
  return `placement ${placement.profile}, fairness ${queueing.fairness.name}, ordering ${queueing.ordering.name}`;
}

function progressText({ requests, of, virtualSeconds }: TrialProgress, elapsedMs: number): string {
  const speed = virtualSeconds / (elapsedMs / MS_PER_SECOND);
  return `${numberText(requests)} of ${numberText(of)} requests, ${secondsText(virtualSeconds)} of virtual time, ${numberText(Math.round(speed))} × as fast as real time`;
}
