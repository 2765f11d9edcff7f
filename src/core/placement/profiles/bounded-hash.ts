import type { ProfileDefinition } from "../contracts.ts";

export const boundedHash: ProfileDefinition = {
  kind: "profile",
  name: "bounded-hash",
  summary: "The same endpoint for the same session, prompt or tenant, none beyond 1.25 times the mean load.",
  formula: "picker bounded-hash",
  source: "Mirrokni, Thorup and Zadimoghaddam (2018)",
  filters: [],
  scorers: [],
  picker: { name: "bounded-hash", parameters: {} },
};
