import type { PolicyChoice } from "../../../src/core/policy.ts";
import {
  type Interval,
  meanInterval,
  pairedDifference,
} from "../../../src/simulator/statistics/intervals.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import type { Line, ValidationGroup } from "../line.ts";
import { Threads } from "../threads.ts";
import type { ArtifactOutcome, ArtifactRun } from "../vtc-artifact/run.ts";
import { ARTIFACT_TRACE, CLIENTS_AT_A_TIME, seedsOf, skippedLine } from "../vtc-artifact/trace.ts";

const CONFIDENCE = 0.95;
const SHARE_MIN = 0.99;

const OURS = "foresight";
const BASELINE = "vtc";
const RIVALS = [BASELINE, "vtc-oracle"];

type Figure = (outcome: ArtifactOutcome) => number;

/** One window in 19 decides on the largest: a few seeds say nothing of it, so quick runs leave it out. */
const DIFFERENCES: readonly { name: string; of: Figure; isNoisy: boolean }[] = [
  { name: "mean service difference", of: ({ tokens }) => tokens.difference.mean, isNoisy: false },
  { name: "largest service difference", of: ({ tokens }) => tokens.difference.max, isNoisy: true },
];

const RATES: readonly { name: string; of: Figure }[] = [
  { name: "service in the windows", of: ({ tokens }) => tokens.served },
  { name: "throughput", of: ({ tokensPerSecond }) => tokensPerSecond },
];

export const fairnessGroup: ValidationGroup = {
  name: "fairness",
  source:
    "The set-up of the group vtc, with service counted when tokens are read and generated: our policy against VTC, and against VTC that knows how long answers will be. " +
    `Differences paired over 20 seeds of step noise (3 %), intervals of ${CONFIDENCE * 100} %`,
  command: "npm run validate -- --only fairness",
  async *run({ isQuick }) {
    if (!ARTIFACT_TRACE.exists) {
      yield skippedLine(`${OURS} against ${RIVALS.join(" and ")}`);
      return;
    }
    const startMs = performance.now();
    const outcomes = await runAll(seedsOf(isQuick));
    const seconds = (performance.now() - startMs) / 1_000;
    for (const line of linesOf(outcomes, isQuick)) yield { ...line, seconds };
  },
};

/** By policy, what all seeds came to, in their order. */
type Outcomes = ReadonlyMap<string, readonly ArtifactOutcome[]>;

async function runAll(seeds: readonly number[]): Promise<Outcomes> {
  await using threads = new Threads<ArtifactRun, ArtifactOutcome>(
    new URL("../vtc-artifact/thread.ts", import.meta.url),
  );
  const { path } = ARTIFACT_TRACE;
  const runs = [OURS, ...RIVALS].map(async (name) => {
    const fairness: PolicyChoice = { name, parameters: {} };
    const outcomes = await Promise.all(
      seeds.map((seed) => {
        return threads.run({ format: "vtc-trace", path, clientsAtATime: CLIENTS_AT_A_TIME, fairness, seed });
      }),
    );
    return [name, outcomes] as const;
  });
  return new Map(await Promise.all(runs));
}

function* linesOf(outcomes: Outcomes, isQuick: boolean): Iterable<Omit<Line, "seconds">> {
  const valuesOf = (policy: string, of: Figure): number[] => outcomes.get(policy)!.map(of);
  for (const { name, of, isNoisy } of DIFFERENCES) {
    if (isQuick && isNoisy) continue;
    for (const rival of RIVALS) {
      const [ours, theirs] = [valuesOf(OURS, of), valuesOf(rival, of)];
      const difference = pairedDifference(ours, theirs, CONFIDENCE);
      yield {
        what: `${OURS} − ${rival}, ${name}`,
        expected: "below 0",
        ...gotOf(difference),
        verdict: difference.value + difference.halfWidth < 0 ? "holds" : "missed",
        note: `${mean(ours).toFixed(1)} against ${mean(theirs).toFixed(1)} weighted tokens/s`,
      };
    }
  }
  for (const { name, of } of RATES) {
    const theirs = valuesOf(BASELINE, of);
    const share = meanInterval(
      valuesOf(OURS, of).map((value, seed) => value / theirs[seed]!),
      CONFIDENCE,
    );
    yield {
      what: `${OURS} / ${BASELINE}, ${name}`,
      expected: `≥ ${SHARE_MIN}`,
      ...gotOf(share),
      verdict: share.value - share.halfWidth >= SHARE_MIN ? "holds" : "missed",
      note: "",
    };
  }
  const unanswered = valuesOf(OURS, (outcome) => outcome.unanswered).reduce((sum, count) => sum + count, 0);
  yield {
    what: `${OURS}, requests refused or cut short`,
    expected: 0,
    got: unanswered,
    halfWidth: null,
    verdict: unanswered === 0 ? "holds" : "missed",
    note: "of 1,500 a seed",
  };
}

function gotOf({ value, halfWidth }: Interval): Pick<Line, "got" | "halfWidth"> {
  return { got: value, halfWidth };
}
