import type { ProfileDefinition } from "../contracts.ts";

export const roundRobin: ProfileDefinition = {
  kind: "profile",
  name: "round-robin",
  summary: "Endpoints in turn, whatever they have to do: what others are compared with.",
  formula: "picker round-robin",
  source: "",
  filters: [],
  scorers: [],
  picker: { name: "round-robin", parameters: {} },
};
