import { msText, numberText, shareText } from "../../../src/simulator/reports/numbers.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { quantile } from "../../../src/simulator/statistics/quantiles.ts";
import type { Line, ValidationGroup } from "../line.ts";
import { compareLive, type LiveComparison, type LiveOptions } from "../live/compare.ts";
import { quietMoment } from "../live/quiet.ts";

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
  source: `${OPTIONS.parts * OPTIONS.requestsPerPart} requests to \`headgate up\` with ${OPTIONS.workers} embedded workers, and the same requests in the simulator, whose engine was calibrated on other prompts by themselves; within ${OFF_BY_MAX * 100} %, in ms`,
  command: "npm run validate -- --only live",
  async *run({ isQuick }) {
    const startMs = performance.now();
    const load = await quietMoment();
    const comparison = await compareLive({ ...OPTIONS, ...(isQuick ? QUICK : {}) });
    const seconds = (performance.now() - startMs) / 1_000;
    const circumstances = circumstancesOf(comparison, load);
    for (const time of TIMES) {
      for (const statistic of STATISTICS) {
        const expected = statistic.of(comparison.live.map((answer) => answer[time.key]));
        const got = mean(
          comparison.simulated.map((run) => statistic.of(run.map((answer) => answer[time.key]))),
        );
        const offBy = got / expected - 1;
        const line: Line = {
          what: `live against simulated: ${time.what}, ${statistic.what}`,
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

/** What has to be known to read the figures: what was measured, and who else wanted the machine. */
function circumstancesOf({ calibration, overhead, rate, coresBusy }: LiveComparison, load: number): string {
  const { prefillError, decodeError } = calibration;
  return [
    `${numberText(rate)} requests a second`,
    `fit off by ${shareText(prefillError)} in prefill and ${shareText(decodeError)} in decode`,
    `${msText(overhead.ttftUs / 1_000)} more through the supervisor`,
    `load ${load.toFixed(1)} before, cores busy to ${shareText(coresBusy)} meanwhile`,
  ].join(", ");
}
