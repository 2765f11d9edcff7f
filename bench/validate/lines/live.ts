import { msText, numberText, shareText } from "../../../src/simulator/reports/numbers.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { quantile } from "../../../src/simulator/statistics/quantiles.ts";
import { type Line, NO_LINE, type ValidationGroup } from "../line.ts";
import { compareLive, type LiveComparison, type LiveOptions } from "../live/compare.ts";
import { busyText, type Patience, quietMoment } from "../live/quiet.ts";

const WHAT = "live against simulated";
const OFF_BY_MAX = 0.15;

/** 500 requests at some half of what two workers can do: batches form, and bursts go beyond it. */
const OPTIONS: LiveOptions = {
  model: "headgate-4m",
  workers: 2,
  parts: 5,
  requestsPerPart: 100,
  words: { mean: 40, min: 4, max: 100 },
  outputTokens: { mean: 40, min: 4, max: 120 },
  utilisation: 0.5,
  rounds: 1,
  overheadRounds: 20,
  seeds: 5,
  seed: 1,
};
const QUICK: Partial<LiveOptions> = { parts: 2, requestsPerPart: 60 };

/** Of others there should be next to nothing: workers, supervisor and clients want some three cores, and wait where they don't get them. */
const PATIENCE: Patience = { busyMax: 0.1, waitMsMax: 120_000, lookMs: 5_000 };
const QUICK_PATIENCE: Patience = { ...PATIENCE, waitMsMax: 10_000 };

/** All figures are of times that clients and the simulator both have. */
const TIMES = [
  { what: "time to first token", key: "ttftMs" },
  { what: "whole answer", key: "totalMs" },
] as const;
const STATISTICS = [
  { what: "mean", of: (values: readonly number[]) => mean(values) },
  { what: "p90", of: (values: readonly number[]) => quantile(values, 0.9) },
];

export const liveGroup: ValidationGroup = {
  name: "live",
  source: `${OPTIONS.parts * OPTIONS.requestsPerPart} requests to \`headgate up\` with ${OPTIONS.workers} embedded workers, and the same requests in the simulator, whose engine was calibrated on other prompts by themselves; within ${OFF_BY_MAX * 100} %, in ms. Only where others keep less than ${PATIENCE.busyMax * 100} % of the machine's cores busy, before and after; that is waited for ${PATIENCE.waitMsMax / 1_000} s at most`,
  command: "npm run validate -- --only live",
  async *run({ isQuick }) {
    const startMs = performance.now();
    const patience = isQuick ? QUICK_PATIENCE : PATIENCE;
    const before = await quietMoment(patience);
    if (!before.isQuiet) return yield skippedLine(busyText(before), startMs);
    const comparison = await compareLive({ ...OPTIONS, ...(isQuick ? QUICK : {}) });
    // One look: what is over by now was there when the last requests were, or soon after.
    const after = await quietMoment({ ...patience, waitMsMax: 0 });
    if (!after.isQuiet) return yield skippedLine(`at the end, ${busyText(after)}`, startMs);
    const seconds = (performance.now() - startMs) / 1_000;
    const circumstances = circumstancesOf(comparison, before.busy);
    for (const time of TIMES) {
      for (const statistic of STATISTICS) {
        const expected = statistic.of(comparison.live.map((answer) => answer[time.key]));
        const got = mean(
          comparison.simulated.map((run) => statistic.of(run.map((answer) => answer[time.key]))),
        );
        const offBy = got / expected - 1;
        const line: Line = {
          what: `${WHAT}: ${time.what}, ${statistic.what}`,
          expected,
          got,
          halfWidth: null,
          verdict: Math.abs(offBy) <= OFF_BY_MAX ? "holds" : "missed",
          note: `off by ${shareText(offBy)}; ${circumstances}`,
          seconds,
        };
        yield line;
      }
    }
  },
};

/** Nothing is said of a machine that others use: what is measured there is how they do. */
function skippedLine(note: string, startMs: number): Line {
  return { ...NO_LINE, what: WHAT, note, seconds: (performance.now() - startMs) / 1_000 };
}

/** What has to be known to read the figures: what was measured, and who else wanted the machine. */
function circumstancesOf(
  { calibration, overhead, rate, coresBusy }: LiveComparison,
  busyBefore: number,
): string {
  const { prefillError, decodeError } = calibration;
  return [
    `${numberText(rate)} requests a second`,
    `fit off by ${shareText(prefillError)} in prefill and ${shareText(decodeError)} in decode`,
    `${msText(overhead.ttftUs / 1_000)} more through the supervisor`,
    `cores busy to ${shareText(busyBefore)} before, ${shareText(coresBusy)} meanwhile`,
  ].join(", ");
}
