import type { FilterDefinition } from "../../contracts.ts";

export const contextLength: FilterDefinition = {
  kind: "filter",
  name: "context-length",
  summary:
    "Keeps endpoints whose context holds the whole prompt and the whole answer, so that none is cut short.",
  formula: "prompt tokens + max tokens ≤ context tokens",
  source: "llm-d inference scheduler, context-length filter",
  needs: [],
  parameters: {},
  create: () => ({
    filter(candidates, packet) {
      const tokens = packet.request.arrival.promptTokensMax + packet.maxTokens;
      return candidates.filter(({ contextTokens }) => tokens <= contextTokens);
    },
  }),
};
