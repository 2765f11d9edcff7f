import type { SaturationDefinition } from "../../contracts.ts";

export const concurrency: SaturationDefinition = {
  kind: "saturation",
  name: "concurrency",
  summary: "Requests in the system against a ceiling for each slot: the same whether they run or wait.",
  formula: "min(1, (running + waiting) / (per_slot · slots))",
  source: "llm-d inference scheduler, concurrency detector",
  needs: [],
  parameters: {
    per_slot: {
      summary: "Requests that run or wait, for each slot, at which the model counts as full.",
      unit: "",
      default: 5,
      min: 1,
    },
  },
  create: (parameters) => {
    const perSlot = Number(parameters["per_slot"]);
    return {
      of: ({ running, waiting, slots }) =>
        slots > 0 ? Math.min(1, (running + waiting) / (perSlot * slots)) : 1,
    };
  },
};
