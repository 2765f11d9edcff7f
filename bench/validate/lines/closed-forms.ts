import type { Check, Case } from "../closed-forms/case.ts";
import { CASES } from "../closed-forms/cases.ts";
import { controlWeights, knownChance } from "../../../src/simulator/statistics/control-variates.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import {
  bonferroni,
  contains,
  type Interval,
  meanInterval,
} from "../../../src/simulator/statistics/intervals.ts";
import type { Line, ValidationGroup } from "../line.ts";
import type { Outcome } from "../stations/outcome.ts";
import type { StationRun } from "../stations/run.ts";
import { Threads } from "../threads.ts";

const SEEDS = 20;
/** That all intervals hold at once. */
const FAMILY_CONFIDENCE = 0.999;
/** Half of an interval is at most this share of the figure. */
const HALF_WIDTH_MAX = 0.02;
const QUICK_SHARE = 0.05;

export const closedFormsGroup: ValidationGroup = {
  name: "closed-forms",
  source: `Queueing theory (src/simulator/queueing-theory), ${SEEDS} seeds each, intervals of ${FAMILY_CONFIDENCE * 100} % for all together, half of one at most ${HALF_WIDTH_MAX * 100} %`,
  command: "npm run validate -- --only closed-forms --match <name>",
  async *run({ isQuick, match }) {
    const intervals = CASES.flatMap(({ checks }) => checks).filter(({ isBound = false }) => !isBound).length;
    // Runs of different systems begin with the same random numbers, so their figures may depend on each other.
    const confidence = bonferroni(FAMILY_CONFIDENCE, intervals);
    await using threads = new Threads<StationRun, Outcome>(new URL("../stations/thread.ts", import.meta.url));
    for (const each of CASES) {
      if (!each.checks.some((check) => nameOf(each, check).includes(match))) continue;
      const { outcomes, seconds } = await runCase(each, isQuick ? QUICK_SHARE : 1, threads);
      for (const check of each.checks) yield lineOf(each, check, { outcomes, confidence, seconds, isQuick });
    }
  },
};

type StationPool = Threads<StationRun, Outcome>;

interface SeedOutcomes {
  /** One a seed. */
  outcomes: Outcome[];
  seconds: number;
}

async function runCase(each: Case, share: number, threads: StationPool): Promise<SeedOutcomes> {
  const startMs = performance.now();
  const requests = Math.ceil(each.requests * share);
  const outcomes = await Promise.all(
    Array.from({ length: SEEDS }, async (_, i) => {
      const parts = await Promise.all(each.runs(i + 1, requests).map((part) => threads.run(part)));
      return each.combine === undefined ? parts[0]! : each.combine(parts);
    }),
  );
  return { outcomes, seconds: (performance.now() - startMs) / 1_000 };
}

function nameOf(each: Case, { what }: Check): string {
  return `${each.what}: ${what}`;
}

function lineOf(
  each: Case,
  check: Check,
  options: { outcomes: readonly Outcome[]; confidence: number; seconds: number; isQuick: boolean },
): Line {
  const { outcomes, confidence, seconds, isQuick } = options;
  const { figure, expected, isBound = false, tolerance = null } = check;
  const line = { what: nameOf(each, check), expected, note: each.note, seconds };
  if (isBound) {
    const got = Math.max(...outcomes.map(({ whole }) => whole[figure]!));
    return { ...line, got, halfWidth: null, verdict: got <= expected ? "holds" : "missed" };
  }
  const interval = intervalOf(figure, outcomes, confidence);
  const isSharp = isQuick || interval.halfWidth <= HALF_WIDTH_MAX * expected;
  const { value: got, halfWidth } = interval;
  const isNear =
    tolerance === null ? contains(interval, expected) : Math.abs(got / expected - 1) <= tolerance;
  return { ...line, got, halfWidth, verdict: isSharp && isNear ? "holds" : "missed" };
}

/**
 * The mean over seeds, after what each owes to the known chance of its arrivals and services is taken out. How much that
 * is comes from one regression over the stretches of all seeds; quantiles are those of whole runs, as short stretches have biased ones.
 */
function intervalOf(figure: string, outcomes: readonly Outcome[], confidence: number): Interval {
  const batches = outcomes.flatMap((outcome) => outcome.batches).filter(({ figures }) => figure in figures);
  const weights = controlWeights(
    batches.map(({ figures }) => figures[figure]!),
    batches.map(({ controls }) => controls),
  );
  const values = outcomes.map(({ whole, batches: own }) => {
    const known = mean(own.map(({ controls }) => knownChance(weights, controls)));
    if (figure in whole) return whole[figure]! - (weights.length === 0 ? 0 : known);
    return mean(own.map(({ figures }) => figures[figure]!)) - known;
  });
  return meanInterval(values, confidence);
}
