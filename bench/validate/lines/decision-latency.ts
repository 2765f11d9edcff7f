import { decisionFigure } from "../../core/placement.ts";
import type { ValidationGroup } from "../line.ts";

/** Many short rounds: others who want the machine only add, so the quietest of them counts. */
const ROUNDS = { full: 30, quick: 8 };
const MEASURE_MS = 250;
const WORKERS = [10, 1_000];

export const decisionLatencyGroup: ValidationGroup = {
  name: "decision-latency",
  source: `llm-d's endpoint picker, 500 requests/s and 10 endpoints: p50 / p95 of 0.69 / 4.15 ms with a random picker, 3.59 / 78.55 ms with prefix and scorers. Ours with every scorer on, on the machine above: p99 in the quietest of ${ROUNDS.full} rounds`,
  command: "npm run validate -- --only decision-latency",
  async *run({ isQuick }) {
    const size = isQuick ? "quick" : "full";
    for (const workers of WORKERS) {
      const startMs = performance.now();
      const options = { workers, rounds: ROUNDS[size], measureMs: MEASURE_MS };
      const { subjects, verdict } = decisionFigure(options);
      const { value, aim } = verdict!;
      yield {
        what: `p99 of a decision among ${workers} endpoints, µs`,
        expected: `at most ${aim!.bound}`,
        got: value.low,
        halfWidth: null,
        verdict: value.low <= aim!.bound ? "holds" : "missed",
        note: `rounds from ${value.low.toFixed(1)} to ${value.high.toFixed(1)}, half of them up to ${value.median.toFixed(1)} µs; p50 ${subjects["p50"]!.median.toFixed(1)} µs`,
        seconds: (performance.now() - startMs) / 1_000,
      };
    }
  },
};
