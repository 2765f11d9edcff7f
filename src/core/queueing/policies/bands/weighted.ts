import type { BandsDefinition } from "../../contracts.ts";
import { ServiceCounter } from "../../service-counter.ts";
import { TOKEN_WEIGHTS, tokenWeights } from "../../token-weights.ts";

export const weighted: BandsDefinition = {
  kind: "bands",
  name: "weighted",
  summary:
    "Bands share the tokens by their weights while packets of them wait, so that an urgent one gets more and none starves.",
  formula:
    "rank = (input_weight · input + output_weight · output tokens so far) / weight, lifted to the lowest on return",
  source: "Virtual token counters (VTC, OSDI'24) between bands instead of clients",
  needs: [],
  parameters: TOKEN_WEIGHTS,
  create: (parameters) => new ServiceCounter(tokenWeights(parameters)),
};
