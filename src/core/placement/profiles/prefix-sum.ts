import type { ProfileDefinition } from "../contracts.ts";

export const prefixSum: ProfileDefinition = {
  kind: "profile",
  name: "prefix-sum",
  summary:
    "Whatever waits is placed together, in proportion to what is free; what comes alone goes to the least full.",
  formula: "batch prefix-sum; scorer sessions-kv; picker max-score",
  source: "Headgate",
  filters: [],
  scorers: [{ name: "sessions-kv", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
  batch: { name: "prefix-sum", parameters: {} },
};
