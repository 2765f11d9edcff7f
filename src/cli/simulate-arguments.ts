import { type Command, InvalidArgumentError, Option } from "commander";
import { seconds } from "../core/units.ts";
import { currentCommit } from "../simulator/command.ts";
import { ALL_FAULTS, type Fault } from "../simulator/faults.ts";
import type { ScalingRule } from "../simulator/lab/experiment.ts";
import type { Provenance } from "../simulator/reports/html/page.ts";
import { parseFleet } from "../simulator/trials/fleet-spec.ts";
import { POLICY_PARTS, type PolicySettings } from "../simulator/trials/policy-spec.ts";
import { parseSeconds, parseSlo } from "../simulator/trials/slo-spec.ts";
import type { TrialPlan } from "../simulator/trials/trial.ts";
import { SOURCE_FORMATS } from "../simulator/trials/workload-source.ts";
import { parseCount, parseSeed } from "./arguments.ts";

/** What `simulate run` and `simulate compare` have in common: the world, but not the policies under test. */
export interface WorldArguments {
  workload: string;
  format?: string;
  from?: string;
  until?: string;
  requests?: number;
  fleet: string;
  seed: number;
  slo?: string;
  stepNoise: number;
  faults?: string;
  scale?: string;
  scaleAt: number;
  reportDelay?: string;
  networkDelay?: string;
  perToken?: boolean;
  json?: string;
  csv?: string;
  html?: string;
}

/** Policies by the names of their options. */
export interface PolicyArguments {
  config?: string;
  placement?: string;
  fairness?: string;
  ordering?: string;
  bands?: string;
  saturation?: string;
  shedding?: string;
  batching?: string;
}

const SCALING_INTERVAL_S = 15;
const SCALING_COOLDOWN_S = 60;

export function addWorldOptions(command: Command): Command {
  return command
    .requiredOption("--workload <spec>", "a trace's file, or a synthetic workload such as poisson:rate=4")
    .addOption(new Option("--format <name>", "of the trace (default: by its look)").choices(SOURCE_FORMATS))
    .option("--from <duration>", "leave out what arrives before, such as 10min")
    .option("--until <duration>", "leave out what arrives after")
    .option("--requests <count>", "so many requests at most", parseCount)
    .option("--fleet <groups>", "workers: count x profile, or a profile's file", "8xh100-llama-3.1-8b")
    .option("--slo <times>", "what is hoped for, such as ttft=2s,tpot=50ms")
    .option("--step-noise <share>", "relative standard deviation of the duration of a step", parseShare, 0.03)
    .option("--faults <names>", "faults that may strike, with commas between them; or all")
    .option("--scale <min..max>", "add and remove workers of the first group, within these bounds")
    .option("--scale-at <requests>", "add one when there are more for each worker", parseCount, 16)
    .option("--report-delay <duration>", "how old workers' reports are when they arrive")
    .option("--network-delay <duration>", "of every message, one way")
    .option("--per-token", "one event for each token: slower, and decides the same")
    .option("--seed <number>", "the (first) seed", parseSeed, 1)
    .option("--json <file>", "write everything that was found as JSON")
    .option("--html <file>", "write a report with plots: one file that needs nothing else");
}

export function addPolicyOptions(command: Command): Command {
  return command
    .option(
      "-c, --config <file>",
      "take the scheduling of this configuration, and put what follows in its place",
    )
    .option("--fairness <policy>", "which flow is next, such as vtc")
    .option("--ordering <policy>", "which packet of a flow is next, such as edf")
    .option("--bands <policy>", "which band is next: strict or weighted")
    .option("--saturation <policy>", "how full the fleet is")
    .option("--shedding <policy>", "whom to turn away then")
    .option("--batching <policy>", "whether packets wait for others to go with");
}

export function parseShare(value: string): number {
  const share = Number(value);
  if (value.trim() !== "" && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError("give a number from 0 to 1");
}

export function policySettings(given: PolicyArguments): PolicySettings {
  return Object.fromEntries(
    POLICY_PARTS.flatMap((part) => (given[part] === undefined ? [] : [[part, given[part]]])),
  );
}

/** All of a plan but the policies, the load and the seed. Throws with the option that can't be read. */
export function worldOf(given: WorldArguments): Omit<TrialPlan, "scheduling" | "load" | "seed"> {
  const { workload: spec, format, from, until, requests, stepNoise } = given;
  return {
    workload: {
      spec,
      ...(format === undefined ? {} : { format }),
      ...(from === undefined ? {} : { fromS: parseSeconds(from, "--from") }),
      ...(until === undefined ? {} : { untilS: parseSeconds(until, "--until") }),
      ...(requests === undefined ? {} : { requests }),
    },
    fleet: parseFleet(given.fleet),
    slo: given.slo === undefined ? null : parseSlo(given.slo),
    stepNoise,
    faults: given.faults === undefined ? [] : parseFaults(given.faults),
    scaling: given.scale === undefined ? null : parseScale(given.scale, given.scaleAt),
    reportDelayUs:
      given.reportDelay === undefined ? 0 : seconds(parseSeconds(given.reportDelay, "--report-delay")),
    networkDelayUs:
      given.networkDelay === undefined ? null : seconds(parseSeconds(given.networkDelay, "--network-delay")),
    perToken: given.perToken === true,
    sampleEveryUs: 0,
  };
}

function parseFaults(text: string): Fault[] {
  if (text === "all") return [...ALL_FAULTS];
  return text.split(",").map((name) => {
    const fault = ALL_FAULTS.find((known) => known === name.trim());
    if (fault === undefined)
      throw new Error(`--faults: there is no fault "${name}". Choose among ${ALL_FAULTS.join(", ")}.`);
    return fault;
  });
}

function parseScale(text: string, targetPerWorker: number): ScalingRule {
  const [, low, high] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  const [countMin, countMax] = [Number(low), Number(high)];
  if (!(countMin >= 1 && countMax >= countMin))
    throw new Error(`--scale: "${text}" can't be read: write it as 2..16.`);
  return {
    group: 0,
    countMin,
    countMax,
    targetPerWorker,
    intervalUs: seconds(SCALING_INTERVAL_S),
    cooldownUs: seconds(SCALING_COOLDOWN_S),
  };
}

/** How the same command is given again, from a clone. */
export function provenanceOf(argv: readonly string[]): Provenance {
  const command = ["npm run headgate --", ...argv.slice(2).map(quoted)].join(" ");
  return { command, commit: currentCommit(), node: process.version };
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** Ctrl-C is asked for once, and the work ends with what there is; a second one ends the process. */
export function onInterrupt(stop: () => void): Disposable {
  const stopOnce = (): void => {
    process.once("SIGINT", () => process.exit(130));
    stop();
  };
  process.once("SIGINT", stopOnce);
  return { [Symbol.dispose]: () => void process.off("SIGINT", stopOnce) };
}
