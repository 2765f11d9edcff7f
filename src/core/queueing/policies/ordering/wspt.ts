import type { OrderingDefinition } from "../../contracts.ts";
import { TOKEN_WEIGHTS, tokenWeights, workOf } from "../../token-weights.ts";

export const wspt: OrderingDefinition = {
  kind: "ordering",
  name: "wspt",
  summary:
    "Weighted shortest processing time: the least work for the most weight first, where the weight is that of the request's key. Best on average; long packets wait for as long as short ones come.",
  formula: "rank = (input_weight · input + output_weight · expected output) / weight of the key",
  source: "Smith, Various optimizers for single-stage production, 1956",
  needs: [],
  parameters: TOKEN_WEIGHTS,
  create: (parameters) => {
    const weights = tokenWeights(parameters);
    return { rank: (item) => workOf(item, weights) / item.weight };
  },
};
