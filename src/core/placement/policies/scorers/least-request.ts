import type { ScorerDefinition } from "../../contracts.ts";
import { lowestIsBest } from "../normalise.ts";

export const leastRequest: ScorerDefinition = {
  kind: "scorer",
  name: "least-request",
  summary:
    "Prefers the worker with the fewest sequences n: those sent and not ended, and those of others by its report.",
  formula: "(max − n) / (max − min) over the candidates; 1 for all when they are equal",
  source: "llm-d inference scheduler, running-requests scorer",
  needs: [],
  parameters: {},
  create: () => ({
    score(candidates, _packet, scores, { signals, nowUs }) {
      for (let i = 0; i < candidates.length; i++) scores[i] = signals.sessions(candidates[i]!.worker, nowUs);
      lowestIsBest(scores);
    },
  }),
};
