import type { FilterDefinition } from "../../contracts.ts";

export const sessionAffinity: FilterDefinition = {
  kind: "filter",
  name: "session-affinity",
  summary:
    "Keeps only the endpoint that the session's last request went to, which holds its KV cache; all, where that one is not among the candidates.",
  formula: "{holder} if it is a candidate, else all",
  source: "llm-d inference scheduler, session-affinity",
  needs: [],
  parameters: {},
  create: () => ({
    filter(candidates, packet, { signals, nowUs }) {
      const holder = signals.holder(packet, nowUs);
      return holder !== null && candidates.includes(holder) ? [holder] : candidates;
    },
  }),
};
