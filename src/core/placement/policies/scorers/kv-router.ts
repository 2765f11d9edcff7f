import type { ScorerDefinition } from "../../contracts.ts";
import { lowestIsBest } from "../normalise.ts";

/** Counted in tokens: blocks of one size would only divide both parts, and the score does not change with the scale. */
export const kvRouter: ScorerDefinition = {
  kind: "scorer",
  name: "kv-router",
  summary:
    "Weighs prompt tokens that would have to be computed against the KV cache in use. Goes with the picker softmax, which spreads what is nearly equal.",
  formula:
    "(max − c) / (max − min) with c = prefill · (uncached prompt tokens in flight and own) + (context tokens in flight and own); ties 1",
  source: "NVIDIA Dynamo, KV router cost function",
  needs: ["blocks"],
  parameters: {
    prefill: {
      summary: "Weight of tokens to compute against tokens held",
      unit: "",
      default: 1,
      min: 0,
      max: 1e6,
    },
  },
  create: (parameters) => {
    const weight = Number(parameters["prefill"]);
    return {
      score(candidates, packet, scores, { signals, nowUs }) {
        const { promptTokensMax } = packet.request.arrival;
        for (let i = 0; i < candidates.length; i++) {
          const endpoint = candidates[i]!;
          const prefill =
            signals.prefillTokens(endpoint, nowUs) + signals.uncachedTokens(endpoint, packet, nowUs);
          scores[i] = weight * prefill + signals.contextTokens(endpoint, nowUs) + promptTokensMax;
        }
        lowestIsBest(scores);
      },
    };
  },
};
