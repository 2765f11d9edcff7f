import type { ScorerDefinition } from "../../contracts.ts";

export const sessionAffinity: ScorerDefinition = {
  kind: "scorer",
  name: "session-affinity",
  summary:
    "Prefers the endpoint that the session's last request went to, which holds its KV cache; the rest are equal.",
  formula: "1 for the holder of the session, else 0",
  source: "llm-d inference scheduler, session-affinity scorer",
  needs: [],
  parameters: {},
  create: () => ({
    score(candidates, packet, scores, { signals, nowUs }) {
      const holder = signals.holder(packet, nowUs);
      for (let i = 0; i < candidates.length; i++) scores[i] = candidates[i] === holder ? 1 : 0;
    },
  }),
};
