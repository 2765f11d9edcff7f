import type { ProfileDefinition } from "../contracts.ts";

export const prefixApprox: ProfileDefinition = {
  kind: "profile",
  name: "prefix-approx",
  summary: "Follows what was sent where, against load: three parts prefix to two of load.",
  formula: "scorers 3 · prefix-approx + 2 · least-request; picker max-score",
  source: "llm-d inference scheduler, default weights",
  filters: [],
  scorers: [
    { name: "prefix-approx", parameters: {}, weight: 3 },
    { name: "least-request", parameters: {}, weight: 2 },
  ],
  picker: { name: "max-score", parameters: {} },
};
