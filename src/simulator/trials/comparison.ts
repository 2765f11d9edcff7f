import { type Interval, meanInterval, pairedDifference } from "../statistics/intervals.ts";
import type { TrialOutcome, TrialPlan } from "./trial.ts";
import { COMPARED, type ComparedMetric } from "./compared-metrics.ts";
import { type HighestLoad, highestLoad } from "./highest-load.ts";
import { StoppedError, type TrialPool } from "./trial-pool.ts";

/** Several policies under the same loads and seeds. */
export interface ComparisonPlan {
  /** All but what differs from run to run. */
  base: Omit<TrialPlan, "scheduling" | "load" | "seed">;
  /** The first is what the others are measured against. */
  policies: readonly { name: string; scheduling: TrialPlan["scheduling"] }[];
  loads: readonly number[];
  seeds: readonly number[];
  /** Of every interval by itself, such as 0.95. */
  confidence: number;
  /** Also finds the highest load at which this share of requests meets the SLO; null: does not. */
  shareMin: number | null;
}

export interface Comparison {
  /** One for each run that ended. */
  runs: ComparedRun[];
  cells: ComparedCell[];
  differences: ComparedDifference[];
  /** Empty unless it was asked for. */
  highestLoads: PolicyHighestLoad[];
  /** What the checkers found, in the search for the highest load too; the first of each run. */
  violations: ComparedViolation[];
  /** It was ended before its end. */
  stopped: boolean;
}

export interface ComparedViolation {
  policy: string;
  load: number;
  seed: number;
  message: string;
}

export interface ComparedRun extends TrialOutcome {
  policy: string;
}

/** One metric of one policy at one load, over all seeds. */
export interface ComparedCell {
  policy: string;
  load: number;
  metric: string;
  interval: Interval;
}

/** A policy against the first one, over the seeds that both were run with. */
export interface ComparedDifference {
  policy: string;
  baseline: string;
  load: number;
  metric: string;
  /** Of the policy's value less the baseline's. */
  difference: Interval;
  /** Against the baseline's mean; null where that is 0. */
  relative: number | null;
  verdict: Verdict;
}

/** `unclear`: the interval has 0 in it, or there were too few seeds to say. */
export type Verdict = "better" | "worse" | "equal" | "unclear";

export interface PolicyHighestLoad {
  policy: string;
  /** By seed. */
  found: HighestLoad[];
  interval: Interval;
  /** Against the first policy; null for itself. */
  difference: Interval | null;
  verdict: Verdict | null;
}

/** Runs that are over, of all; null while it is not known how many there will be. */
export type ComparisonProgress = (done: { runs: number; of: number | null }) => void;

/** Runs the whole grid; runs of a pool that is stopped are left out. Throws when a run can't be run. */
export async function compare(
  plan: ComparisonPlan,
  pool: TrialPool,
  onProgress: ComparisonProgress = () => {},
): Promise<Comparison> {
  const { base, policies, loads, seeds, shareMin } = plan;
  const of = shareMin === null ? policies.length * loads.length * seeds.length : null;
  let ended = 0;
  const violations: ComparedViolation[] = [];
  const run: PolicyRun = async (policy, { load, seed }) => {
    const { name, scheduling } = policy;
    const outcome = await unlessStopped(pool, { ...base, scheduling, load, seed });
    if (outcome === null) return null;
    onProgress({ runs: ++ended, of });
    const [message] = outcome.violations;
    if (message !== undefined) violations.push({ policy: name, load, seed, message });
    return outcome;
  };
  const grid = loads.flatMap((load) =>
    seeds.flatMap((seed) => policies.map((policy) => ({ load, seed, policy }))),
  );
  const runs = await Promise.all(
    grid.map(async ({ policy, ...at }) => {
      const outcome = await run(policy, at);
      return outcome === null ? null : { policy: policy.name, ...outcome };
    }),
  );
  const done = runs.filter((outcome) => outcome !== null);
  const highestLoads = shareMin === null ? [] : await findHighestLoads({ ...plan, shareMin }, run);
  return {
    runs: done,
    ...summaryOf(plan, done),
    highestLoads,
    violations,
    stopped: pool.isStopped,
  };
}

/** Null when all was stopped before the run had ended. */
type PolicyRun = (
  policy: ComparisonPlan["policies"][number],
  at: { load: number; seed: number },
) => Promise<TrialOutcome | null>;

/** Null when the pool was stopped before the run had ended. */
async function unlessStopped(pool: TrialPool, plan: TrialPlan): Promise<TrialOutcome | null> {
  try {
    const outcome = await pool.run({ plan, keepResult: false });
    return pool.isStopped ? null : outcome;
  } catch (error) {
    if (error instanceof StoppedError) return null;
    throw error;
  }
}

function summaryOf(
  { policies, loads, confidence }: ComparisonPlan,
  runs: readonly ComparedRun[],
): Pick<Comparison, "cells" | "differences"> {
  const baseline = policies[0]!.name;
  const cells: ComparedCell[] = [];
  const differences: ComparedDifference[] = [];
  for (const load of loads) {
    for (const metric of COMPARED) {
      const byPolicy = new Map(
        policies.map(({ name }) => [name, valuesOf({ runs, policy: name, load, metric })]),
      );
      const base = byPolicy.get(baseline)!;
      for (const [policy, values] of byPolicy) {
        if (values.size === 0) continue;
        const interval = meanInterval(values.values(), confidence);
        cells.push({ policy, load, metric: metric.name, interval });
        if (policy === baseline) continue;
        const paired = pairedValues(values, base);
        if (paired.ours.length === 0) continue;
        const difference = pairedDifference(paired.ours, paired.theirs, confidence);
        const mean = meanInterval(paired.theirs, confidence).value;
        const relative = mean === 0 ? null : difference.value / mean;
        const verdict = verdictOf(difference, metric.better);
        differences.push({ policy, baseline, load, metric: metric.name, difference, relative, verdict });
      }
    }
  }
  return { cells, differences };
}

/** By seed; without runs in which the metric has no value. */
function valuesOf(which: {
  runs: readonly ComparedRun[];
  policy: string;
  load: number;
  metric: ComparedMetric;
}): Map<number, number> {
  const own = which.runs.filter(({ policy, load }) => policy === which.policy && load === which.load);
  return new Map(
    own.flatMap(({ seed, metrics }) => {
      const value = which.metric.of(metrics);
      return value === null ? [] : [[seed, value] as const];
    }),
  );
}

function pairedValues(
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): { ours: number[]; theirs: number[] } {
  const seeds = [...ours.keys()].filter((seed) => theirs.has(seed));
  return { ours: seeds.map((seed) => ours.get(seed)!), theirs: seeds.map((seed) => theirs.get(seed)!) };
}

/** A difference counts once its whole interval lies on one side of 0. */
export function verdictOf({ value, halfWidth }: Interval, better: ComparedMetric["better"]): Verdict {
  if (value === 0 && halfWidth === 0) return "equal";
  if (!(Math.abs(value) > halfWidth)) return "unclear";
  return value > 0 === (better === "higher") ? "better" : "worse";
}

async function findHighestLoads(
  { policies, seeds, confidence, shareMin }: ComparisonPlan & { shareMin: number },
  run: PolicyRun,
): Promise<PolicyHighestLoad[]> {
  const found = await Promise.all(
    policies.map(async (policy) => {
      const perSeed = await Promise.all(
        seeds.map((seed) => highestLoad({ seed, shareMin, run: (load) => run(policy, { load, seed }) })),
      );
      return { policy: policy.name, found: perSeed.filter((each) => each !== null) };
    }),
  );
  const baseline = loadsOf(found[0]!.found);
  return found.map(({ policy, found: own }, index) => {
    const interval = meanInterval(loadsOf(own).values(), confidence);
    if (index === 0) return { policy, found: own, interval, difference: null, verdict: null };
    const paired = pairedValues(loadsOf(own), baseline);
    const difference = pairedDifference(paired.ours, paired.theirs, confidence);
    return { policy, found: own, interval, difference, verdict: verdictOf(difference, "higher") };
  });
}

function loadsOf(found: readonly HighestLoad[]): Map<number, number> {
  return new Map(found.map(({ seed, load }) => [seed, load]));
}
