import type { ProfileDefinition } from "../contracts.ts";

export const stickyUntilSaturated: ProfileDefinition = {
  kind: "profile",
  name: "sticky-until-saturated",
  summary:
    "Stays with holders of the prompt until they are too slow to the first token; of those left the one with the fewest prompt tokens to compute.",
  formula: "filter sticky-until-saturated; scorer token-load; picker max-score",
  source: "llm-d inference scheduler, predicted latency",
  filters: [{ name: "sticky-until-saturated", parameters: {} }],
  scorers: [{ name: "token-load", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
