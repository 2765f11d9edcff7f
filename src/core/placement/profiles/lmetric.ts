import type { ProfileDefinition } from "../contracts.ts";

export const lmetric: ProfileDefinition = {
  kind: "profile",
  name: "lmetric",
  summary: "The lowest product of tokens to compute and sequences that generate.",
  formula: "scorer lmetric; picker max-score",
  source: "LMetric",
  filters: [],
  scorers: [{ name: "lmetric", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
