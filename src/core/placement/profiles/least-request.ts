import type { ProfileDefinition } from "../contracts.ts";

export const leastRequest: ProfileDefinition = {
  kind: "profile",
  name: "least-request",
  summary: "The worker with the fewest sequences.",
  formula: "scorer least-request; picker max-score",
  source: "llm-d inference scheduler",
  filters: [],
  scorers: [{ name: "least-request", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
