import type { ProfileDefinition } from "../contracts.ts";

export const sessionAffinity: ProfileDefinition = {
  kind: "profile",
  name: "session-affinity",
  summary:
    "A session stays where its KV cache is, as long as there is room; new ones go where the fewest sequences are.",
  formula: "filter session-affinity; scorer least-request; picker max-score",
  source: "llm-d inference scheduler",
  filters: [{ name: "session-affinity", parameters: {} }],
  scorers: [{ name: "least-request", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
