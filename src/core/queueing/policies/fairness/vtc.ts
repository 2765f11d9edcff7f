import type { FairnessDefinition } from "../../contracts.ts";
import { ServiceCounter } from "../../service-counter.ts";
import { TOKEN_WEIGHTS, tokenWeights } from "../../token-weights.ts";

export const vtc: FairnessDefinition = {
  kind: "fairness",
  name: "vtc",
  summary:
    "Whoever has had fewest tokens goes first, counted since they began to wait. Two flows that always wait never come further apart than a fixed bound.",
  formula:
    "rank = Σ (input_weight · input + output_weight · output) / weight; on return max(own, min over flows that wait), and where none waits max(own, that of the last that left)",
  source: "Sheng et al., Fairness in Serving Large Language Models, OSDI'24",
  needs: [],
  parameters: TOKEN_WEIGHTS,
  create: (parameters) => new ServiceCounter(tokenWeights(parameters)),
};
