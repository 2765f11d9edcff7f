import type { ScorerDefinition } from "../../../src/core/placement/contracts.ts";

/** The example of CONTRIBUTING.md: as a policy of Headgate it would be `policies/scorers/most-free-slots.ts`. */
export const mostFreeSlots: ScorerDefinition = {
  kind: "scorer",
  name: "most-free-slots",
  summary: "Prefers the endpoint with the largest share of its slots free.",
  formula: "((slots − in flight) ÷ slots)^power",
  source: "Headgate",
  needs: [],
  parameters: {
    power: {
      summary: "Above 1, a full endpoint is avoided the more",
      unit: "",
      default: 1,
      min: 0.1,
      max: 10,
    },
  },
  create: (parameters) => {
    const power = Number(parameters["power"]);
    return {
      score(candidates, _packet, scores) {
        for (let i = 0; i < candidates.length; i++) {
          const { slots, inFlight } = candidates[i]!;
          scores[i] = (Math.max(0, slots - inFlight) / slots) ** power;
        }
      },
    };
  },
};
