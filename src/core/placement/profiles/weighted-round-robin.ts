import type { ProfileDefinition } from "../contracts.ts";

export const weightedRoundRobin: ProfileDefinition = {
  kind: "profile",
  name: "weighted-round-robin",
  summary: "Endpoints in turn, each as often as its label `weight` or its slots say.",
  formula: "picker weighted-round-robin",
  source: "Waldspurger and Weihl (1995)",
  filters: [],
  scorers: [],
  picker: { name: "weighted-round-robin", parameters: {} },
};
