import type { PlacementProfile, Scorer } from "../placement.ts";
import { kvBytesOn, sessionsOn } from "../../fleet/worker.ts";

const SESSIONS_WEIGHT = 0.6;
const KV_WEIGHT = 0.4;

/**
 * Lowest load wins: 1 − (0.6 · sessions ÷ sessions limit + 0.4 · KV cache ÷ KV limit), both
 * counted from dispatch on. A limit that does not exist weighs nothing.
 */
const sessionsKvScorer: Scorer = {
  name: "sessions-kv",
  score(candidates, _packet, scores) {
    for (const [i, { worker }] of candidates.entries()) {
      const sessions = sessionsOn(worker) / worker.limits.sessionsMax;
      const kv = kvBytesOn(worker) / worker.limits.kvBytesMax;
      scores[i] = 1 - (SESSIONS_WEIGHT * sessions + KV_WEIGHT * kv);
    }
  },
};

export function sessionsKv(): PlacementProfile {
  return { name: "sessions-kv", scorers: [{ scorer: sessionsKvScorer, weight: 1 }] };
}
