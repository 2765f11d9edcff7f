import type { ProfileDefinition } from "../contracts.ts";

export const standard: ProfileDefinition = {
  kind: "profile",
  name: "standard",
  summary:
    "The least delay added for everybody, by cache, queue and batch together, and half as much weight for keeping a prompt's beginning where it is. What Headgate uses unless told otherwise.",
  formula: "scorers 1 · marginal-delay + 0.5 · prefix-approx; picker max-score",
  source: "Headgate",
  filters: [],
  scorers: [
    { name: "marginal-delay", parameters: {}, weight: 1 },
    { name: "prefix-approx", parameters: {}, weight: 0.5 },
  ],
  picker: { name: "max-score", parameters: {} },
};
