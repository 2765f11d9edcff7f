import type { ProfileDefinition } from "../contracts.ts";

export const leastLoadedEma: ProfileDefinition = {
  kind: "profile",
  name: "least-loaded-ema",
  summary: "The endpoint that has answered fastest of late.",
  formula: "scorer least-loaded-ema; picker max-score",
  source: "Parallax (Gradient)",
  filters: [],
  scorers: [{ name: "least-loaded-ema", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
