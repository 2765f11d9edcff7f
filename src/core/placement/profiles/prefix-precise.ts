import type { ProfileDefinition } from "../contracts.ts";

export const prefixPrecise: ProfileDefinition = {
  kind: "profile",
  name: "prefix-precise",
  summary: "Follows what workers say their caches hold, against load: three parts prefix to two of load.",
  formula: "scorers 3 · prefix-precise + 2 · least-request; picker max-score",
  source: "llm-d inference scheduler, default weights",
  filters: [],
  scorers: [
    { name: "prefix-precise", parameters: {}, weight: 3 },
    { name: "least-request", parameters: {}, weight: 2 },
  ],
  picker: { name: "max-score", parameters: {} },
};
