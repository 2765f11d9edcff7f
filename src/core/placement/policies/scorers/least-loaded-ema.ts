import type { ScorerDefinition } from "../../contracts.ts";
import { MICROS_PER_MILLI } from "../../../units.ts";
import { lowestIsBest } from "../normalise.ts";

/**
 * One that has not answered yet is taken to be as fast as the fastest, so that it gets its chance. One that is
 * passed over keeps its average, good or bad, until it is asked again.
 */
export const leastLoadedEma: ScorerDefinition = {
  kind: "scorer",
  name: "least-loaded-ema",
  summary:
    "Prefers the endpoint that has been fastest of late, with a little added for what it has to do now.",
  formula:
    "(max − t) / (max − min) with t = EMA of latency in ms (α = 0.2) + load · sequences ÷ limit; ties 1",
  source: "Parallax (Gradient), layer_latency_ms",
  needs: ["latency"],
  parameters: {
    load: { summary: "Added for a worker at its limit", unit: "ms", default: 0.05, min: 0, max: 1e6 },
  },
  create: (parameters) => {
    const loadUs = Number(parameters["load"]) * MICROS_PER_MILLI;
    return {
      score(candidates, _packet, scores, { signals, nowUs }) {
        let fastestUs = Infinity;
        for (const { load } of candidates) fastestUs = Math.min(fastestUs, load.latencyUs ?? Infinity);
        const untriedUs = fastestUs === Infinity ? 0 : fastestUs;
        for (let i = 0; i < candidates.length; i++) {
          const { worker, load } = candidates[i]!;
          const share = signals.sessions(worker, nowUs) / Math.max(1, worker.limits.sessionsMax);
          scores[i] = (load.latencyUs ?? untriedUs) + loadUs * share;
        }
        lowestIsBest(scores);
      },
    };
  },
};
