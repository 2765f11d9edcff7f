import type { ScorerDefinition } from "../../contracts.ts";

/** Where a worker's reports on its cache have a gap or are old, what it was sent stands in for them. */
export const prefixPrecise: ScorerDefinition = {
  kind: "scorer",
  name: "prefix-precise",
  summary:
    "Prefers the endpoint whose worker says that its KV cache holds most of the prompt's beginning. Remembers at most `prefix.blocksMax` blocks over all workers, in some 150 bytes each.",
  formula: "leading blocks of the prompt that its cache holds ÷ all its blocks; 0 without blocks",
  source: "llm-d inference scheduler, precise-prefix-cache scorer",
  needs: ["blocks", "cache_events"],
  parameters: {},
  create: () => ({
    score(candidates, packet, scores, { signals, nowUs }) {
      for (let i = 0; i < candidates.length; i++)
        scores[i] = signals.heldShare(candidates[i]!, packet, nowUs);
    },
  }),
};
