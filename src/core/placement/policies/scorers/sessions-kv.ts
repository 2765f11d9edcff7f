import type { ScorerDefinition } from "../../contracts.ts";

const SESSIONS_WEIGHT = 0.6;
const KV_WEIGHT = 0.4;

/** A limit that does not exist weighs nothing. */
export const sessionsKv: ScorerDefinition = {
  kind: "scorer",
  name: "sessions-kv",
  summary:
    "Prefers the worker that is least full, by its limits on sessions and on KV cache. Needs nothing but reports.",
  formula: "1 − (0.6 · sessions ÷ sessions limit + 0.4 · KV bytes ÷ KV limit), at least 0",
  source: "Headgate",
  needs: [],
  parameters: {},
  create: () => ({
    score(candidates, _packet, scores, { signals, nowUs }) {
      for (let i = 0; i < candidates.length; i++) {
        const { worker } = candidates[i]!;
        const sessions = signals.sessions(worker, nowUs) / worker.limits.sessionsMax;
        const kv = signals.kvBytes(worker, nowUs) / worker.limits.kvBytesMax;
        scores[i] = Math.max(0, 1 - (SESSIONS_WEIGHT * sessions + KV_WEIGHT * kv));
      }
    },
  }),
};
