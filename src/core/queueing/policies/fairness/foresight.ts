import { MICROS_PER_SECOND, type Micros } from "../../../units.ts";
import type { Contender, FairnessDefinition, Service, Sharing } from "../../contracts.ts";
import { Decaying } from "../../decaying.ts";
import { TOKEN_WEIGHTS, tokenWeights, weigh } from "../../token-weights.ts";

export const foresight: FairnessDefinition = {
  kind: "fairness",
  name: "foresight",
  summary:
    "Whoever has had fewest tokens lately, and has fewest on the way, goes first. A flow is not given a second long answer because its first one has only just begun; how long answers will be is reckoned by those it has had.",
  formula:
    "rank = (Σ (input_weight · input + output_weight · output) · 2^(−age / half_life) + share · output_weight · Σ running max(0, mean answer of the flow − generated)) / weight",
  source: "Headgate",
  needs: [],
  parameters: {
    half_life: { summary: "Age at which service counts half.", unit: "s", default: 20, min: 0.001 },
    share: {
      summary: "What an expected token counts of one that has been generated: it comes later, or not at all.",
      unit: "",
      default: 0.5,
      min: 0,
      max: 1,
    },
    ...TOKEN_WEIGHTS,
  },
  create: (parameters) => {
    const weights = tokenWeights(parameters);
    const perExpected = Number(parameters["share"]) * weights.output;
    const attained = new Decaying<Contender>(Number(parameters["half_life"]) * MICROS_PER_SECOND);
    return {
      rank: (flow: Contender, nowUs: Micros) =>
        (attained.of(flow, nowUs) + perExpected * flow.outstandingTokens) / flow.weight,
      charged: (flow: Contender, service: Service, nowUs: Micros) =>
        attained.add(flow, weigh(service, weights), nowUs),
    } satisfies Sharing;
  },
};
