import type { PlacementProfile, Scorer } from "../placement.ts";
import { sessionsOn } from "../../fleet/worker.ts";

/**
 * Fewest requests running wins: (max − n) / (max − min) over the candidates, 1 when all are
 * equal. Requests are counted from dispatch on, and those of other supervisors by the last report.
 */
const leastRequestScorer: Scorer = {
  name: "least-request",
  score(candidates, _packet, scores) {
    let min = Infinity;
    let max = 0;
    for (const { worker } of candidates) {
      min = Math.min(min, sessionsOn(worker));
      max = Math.max(max, sessionsOn(worker));
    }
    for (const [i, { worker }] of candidates.entries()) {
      scores[i] = max === min ? 1 : (max - sessionsOn(worker)) / (max - min);
    }
  },
};

export function leastRequest(): PlacementProfile {
  return { name: "least-request", scorers: [{ scorer: leastRequestScorer, weight: 1 }] };
}
