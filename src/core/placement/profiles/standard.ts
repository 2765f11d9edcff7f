import type { ProfileDefinition } from "../contracts.ts";

export const standard: ProfileDefinition = {
  kind: "profile",
  name: "standard",
  summary:
    "The least delay added for everybody, by cache, queue and batch together. What Headgate uses unless told otherwise.",
  formula: "scorer marginal-delay; picker max-score",
  source: "Headgate",
  filters: [],
  scorers: [{ name: "marginal-delay", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
