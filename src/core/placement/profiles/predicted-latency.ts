import type { ProfileDefinition } from "../contracts.ts";

export const predictedLatency: ProfileDefinition = {
  kind: "profile",
  name: "predicted-latency",
  summary:
    "The tightest endpoint that is expected to keep the hopes for latency, so that room is left for those that need it.",
  formula: "scorer predicted-latency; picker max-score",
  source: "llm-d inference scheduler, predicted latency",
  filters: [],
  scorers: [{ name: "predicted-latency", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
