import type { PolicyChoice } from "../../../src/core/policy.ts";
import { meanInterval } from "../../../src/simulator/statistics/intervals.ts";
import { ascendingOf, quantileOfSorted } from "../../../src/simulator/statistics/quantiles.ts";
import type { Line, ValidationGroup } from "../line.ts";
import { sharedData } from "../shared-data.ts";
import { Threads } from "../threads.ts";
import { type Measured, measuredIn } from "../vtc-artifact/measured.ts";
import type { ArtifactOutcome, ArtifactRun } from "../vtc-artifact/run.ts";
import { ARTIFACT_TRACE, CLIENTS_AT_A_TIME, seedsOf, skippedLine } from "../vtc-artifact/trace.ts";

const TOLERANCE = 0.1;
const TOLERANCE_FITTED = 0.05;

/** The artifact's policies, and ours that decide as they do. */
const POLICIES: readonly { name: string; fairness: PolicyChoice }[] = [
  { name: "FCFS", fairness: { name: "fcfs-flows", parameters: {} } },
  // Least counter first is attained service that is never forgotten.
  { name: "LCF", fairness: { name: "las", parameters: { half_life: 1e9 } } },
  { name: "VTC", fairness: { name: "vtc", parameters: {} } },
];

const FIGURES: readonly { name: string; of: (run: Measured | ArtifactOutcome) => number }[] = [
  { name: "service difference, largest", of: ({ difference }) => difference.max },
  { name: "service difference, mean", of: ({ difference }) => difference.mean },
  { name: "throughput, tokens/s", of: ({ tokensPerSecond }) => tokensPerSecond },
];

/** Runs of FCFS under synthetic load, which the server's overheads are fitted to; with their clients. */
const FITTED: readonly [run: string, clients: number][] = [
  ["increase", 2],
  ["on_off_less", 2],
  ["on_off_overload", 2],
  ["overload", 2],
  ["overload-multi", 8],
  ["poisson_on_off_overload", 2],
  ["poisson_short_long", 2],
  ["poisson_short_long_2", 2],
  ["proportional", 3],
];

type ArtifactThreads = Threads<ArtifactRun, ArtifactOutcome>;

export const vtcGroup: ValidationGroup = {
  name: "vtc",
  source:
    "VTC (OSDI '24), what its artifact measured on an A10G with the real trace of 27 clients, against our supervisor and simulator with the A10G profile and the server's overheads. " +
    `Means of 20 seeds with steps ± 3 %, intervals of 95 %, within ${TOLERANCE * 100} %. The artifact measured each policy once; the largest difference is chance for a good part, so its quartiles are given`,
  command: "npm run validate -- --only vtc",
  async *run({ isQuick }) {
    if (!ARTIFACT_TRACE.exists) {
      yield skippedLine("service difference and throughput");
      return;
    }
    await using threads: ArtifactThreads = new Threads(new URL("../vtc-artifact/thread.ts", import.meta.url));
    yield await fittedLine(threads);
    for (const policy of POLICIES) {
      const startMs = performance.now();
      const measured = await measuredIn(
        sharedData("traces", "vtc", policy.name, "all_results_real.jsonl.gz").path,
      );
      const outcomes = await Promise.all(
        seedsOf(isQuick).map((seed) => {
          const { path } = ARTIFACT_TRACE;
          const { fairness } = policy;
          return threads.run({
            format: "vtc-trace",
            path,
            clientsAtATime: CLIENTS_AT_A_TIME,
            fairness,
            seed,
          });
        }),
      );
      const seconds = (performance.now() - startMs) / 1_000;
      for (const { name, of } of FIGURES) {
        const line = lineOf(of(measured), outcomes.map(of));
        yield { ...line, what: `${policy.name}: ${name}`, seconds };
      }
    }
  },
};

function lineOf(expected: number, values: readonly number[]): Omit<Line, "what" | "seconds"> {
  const { value: got, halfWidth } = meanInterval(values);
  const off = got / expected - 1;
  const sorted = ascendingOf(values);
  const [low, high] = [0.25, 0.75].map((share) => quantileOfSorted(sorted, share).toFixed(0));
  return {
    expected,
    got,
    halfWidth,
    verdict: Math.abs(off) <= TOLERANCE ? "holds" : "missed",
    note: `${off < 0 ? "−" : "+"}${Math.abs(off * 100).toFixed(1)} %; half of the runs from ${low} to ${high}`,
  };
}

/** How well the server's overheads agree with what they were fitted to. */
async function fittedLine(threads: ArtifactThreads): Promise<Line> {
  const startMs = performance.now();
  const ratios = await Promise.all(
    FITTED.map(async ([name, clientsAtATime]) => {
      const { path } = sharedData("traces", "vtc", "FCFS", `all_results_${name}.jsonl.gz`);
      const fairness = { name: "fcfs-flows", parameters: {} };
      const { seconds } = await threads.run({
        format: "vtc-results",
        path,
        clientsAtATime,
        fairness,
        seed: 1,
      });
      return { name, ratio: seconds / (await measuredIn(path)).seconds };
    }),
  );
  const worst = Math.max(...ratios.map(({ ratio }) => Math.abs(ratio - 1)));
  return {
    what: "total time of nine synthetic runs, farthest off",
    expected: `≤ ${TOLERANCE_FITTED}`,
    got: worst,
    halfWidth: null,
    verdict: worst <= TOLERANCE_FITTED ? "holds" : "missed",
    note: ratios.map(({ name, ratio }) => `${name} × ${ratio.toFixed(3)}`).join(", "),
    seconds: (performance.now() - startMs) / 1_000,
  };
}
