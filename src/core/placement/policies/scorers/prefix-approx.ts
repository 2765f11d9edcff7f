import type { ScorerDefinition } from "../../contracts.ts";

export const prefixApprox: ScorerDefinition = {
  kind: "scorer",
  name: "prefix-approx",
  summary:
    "Prefers the endpoint that was sent most of the prompt's beginning before, as far as its cache can still hold it. Remembers at most `prefix.blocksMax` blocks over all endpoints, in some 150 bytes each.",
  formula: "leading blocks of the prompt that were sent there ÷ all its blocks; 0 without blocks",
  source: "llm-d inference scheduler, prefix-cache scorer",
  needs: ["blocks"],
  parameters: {},
  create: () => ({
    score(candidates, packet, scores, { signals }) {
      for (let i = 0; i < candidates.length; i++) scores[i] = signals.sentShare(candidates[i]!, packet);
    },
  }),
};
