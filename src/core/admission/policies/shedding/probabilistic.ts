import type { SheddingDefinition } from "../../contracts.ts";

export const probabilistic: SheddingDefinition = {
  kind: "shedding",
  name: "probabilistic",
  summary:
    "Requests of bands that are sheddable are turned away the more often the fuller the fleet is, long before it is full.",
  formula: "P(turned away) = min(1, factor · saturation ^ exponent)",
  source: "llm-d inference scheduler, probabilistic admission",
  needs: [],
  parameters: {
    factor: {
      summary: "With 300, all are turned away from a saturation of 0.32 on.",
      unit: "",
      default: 300,
      min: 0,
    },
    exponent: { summary: "How late it sets in.", unit: "", default: 5, min: 0 },
  },
  create: (parameters) => {
    const factor = Number(parameters["factor"]);
    const exponent = Number(parameters["exponent"]);
    return { probability: (saturation) => Math.min(1, factor * saturation ** exponent) };
  },
};
