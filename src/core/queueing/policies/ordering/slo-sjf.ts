import { MICROS_PER_SECOND } from "../../../units.ts";
import type { OrderingDefinition } from "../../contracts.ts";
import { TOKEN_WEIGHTS, tokenWeights, workOf } from "../../token-weights.ts";

export const sloSjf: OrderingDefinition = {
  kind: "ordering",
  name: "slo-sjf",
  summary:
    "Shortest job first, where a second of slack counts like so many tokens more and a second of waiting like so many less: short ones do not make urgent ones late, and nobody waits for ever.",
  formula:
    "rank = input_weight · input + output_weight · expected output + urgency · min(slack, horizon) − ageing · time waited",
  source: "Headgate",
  needs: [],
  parameters: {
    urgency: {
      summary: "What a second until the hoped-for first token counts.",
      unit: "tokens/s",
      default: 100,
      min: 0,
    },
    ageing: { summary: "What a second of waiting counts.", unit: "tokens/s", default: 10, min: 0 },
    horizon: {
      summary: "Slack at arrival beyond which there is none to speak of.",
      unit: "s",
      default: 60,
      min: 0,
    },
    ...TOKEN_WEIGHTS,
  },
  create: (parameters) => {
    const weights = tokenWeights(parameters);
    const urgency = Number(parameters["urgency"]) / MICROS_PER_SECOND;
    const ageing = Number(parameters["ageing"]) / MICROS_PER_SECOND;
    const horizonUs = Number(parameters["horizon"]) * MICROS_PER_SECOND;
    return {
      // Slack and waiting change by the same for everybody as time goes by, so the moment makes no difference.
      rank: (item) => {
        const slackUs = Math.min(item.dueUs - item.arrivedUs, horizonUs);
        return workOf(item, weights) + urgency * (item.arrivedUs + slackUs) + ageing * item.arrivedUs;
      },
    };
  },
};
