import type { Endpoint } from "../../../fleet/endpoint.ts";
import type { ScorerDefinition } from "../../contracts.ts";

/** Of an endpoint that does not say how much its KV cache holds. */
const CAPACITY_UNKNOWN = 1_000_000;

export const tokenLoad: ScorerDefinition = {
  kind: "scorer",
  name: "token-load",
  summary: "Prefers the worker with the fewest tokens of prompt still to compute, the packet's own included.",
  formula: "1 − (in-flight uncached tokens + own uncached tokens) ÷ capacity, at least 0; 0 without capacity",
  source: "llm-d inference scheduler, token-load scorer",
  needs: ["blocks"],
  parameters: {
    capacity: {
      summary:
        "Tokens that make a worker full; 0 for those that fit into its KV cache, or 1,000,000 where it does not say",
      unit: "tokens",
      default: 0,
      min: 0,
      max: 1e12,
    },
  },
  create: (parameters) => {
    const given = Number(parameters["capacity"]);
    return {
      score(candidates, packet, scores, { signals, nowUs }) {
        for (let i = 0; i < candidates.length; i++) {
          const endpoint = candidates[i]!;
          const tokens =
            signals.prefillTokens(endpoint, nowUs) + signals.uncachedTokens(endpoint, packet, nowUs);
          const capacity = given > 0 ? given : kvTokens(endpoint);
          scores[i] = capacity > 0 ? Math.max(0, 1 - tokens / capacity) : 0;
        }
      },
    };
  },
};

function kvTokens({ worker, kvBytesPerToken }: Endpoint): number {
  const tokens = worker.limits.kvBytesMax / kvBytesPerToken;
  return tokens < Infinity ? tokens : CAPACITY_UNKNOWN;
}
