import type { ProfileDefinition } from "../contracts.ts";

export const tokenLoad: ProfileDefinition = {
  kind: "profile",
  name: "token-load",
  summary: "The worker with the fewest prompt tokens to compute.",
  formula: "scorer token-load; picker max-score",
  source: "llm-d inference scheduler",
  filters: [],
  scorers: [{ name: "token-load", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
