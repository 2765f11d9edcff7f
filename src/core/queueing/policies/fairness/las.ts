import { MICROS_PER_SECOND, type Micros } from "../../../units.ts";
import type { Contender, FairnessDefinition, Service, Sharing } from "../../contracts.ts";
import { TOKEN_WEIGHTS, tokenWeights, weigh } from "../../token-weights.ts";
import { Decaying } from "../../decaying.ts";

export const las: FairnessDefinition = {
  kind: "fairness",
  name: "las",
  summary:
    "Least attained service: whoever has had fewest tokens lately goes first. What was long ago is forgiven.",
  formula: "rank = Σ (input_weight · input + output_weight · output) · 2^(−age / half_life) / weight",
  source: "Nuyens & Wierman, The Foreground-Background queue, 2008; the decay is Headgate's",
  needs: [],
  parameters: {
    half_life: { summary: "Age at which service counts half.", unit: "s", default: 60, min: 0.001 },
    ...TOKEN_WEIGHTS,
  },
  create: (parameters) => {
    const weights = tokenWeights(parameters);
    const attained = new Decaying<Contender>(Number(parameters["half_life"]) * MICROS_PER_SECOND);
    return {
      rank: (flow: Contender, nowUs: Micros) => attained.of(flow, nowUs) / flow.weight,
      charged: (flow: Contender, service: Service, nowUs: Micros) =>
        attained.add(flow, weigh(service, weights), nowUs),
    } satisfies Sharing;
  },
};
