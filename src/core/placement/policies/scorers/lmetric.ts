import type { ScorerDefinition } from "../../contracts.ts";
import { inProportion } from "../normalise.ts";

/** No cost is 0, since at least one token of every prompt has to be computed. */
export const lmetric: ScorerDefinition = {
  kind: "scorer",
  name: "lmetric",
  summary:
    "Multiplies what is to be read by what is being written: no weight to tune between cache and balance.",
  formula: "min c / c with c = (uncached prompt tokens in flight and own) · (decoding sequences + 1)",
  source: "LMetric",
  needs: ["blocks"],
  parameters: {},
  create: () => ({
    score(candidates, packet, scores, { signals, nowUs }) {
      for (let i = 0; i < candidates.length; i++) {
        const endpoint = candidates[i]!;
        const { worker } = endpoint;
        const prefill =
          signals.prefillTokens(endpoint, nowUs) + signals.uncachedTokens(endpoint, packet, nowUs);
        scores[i] = prefill * (signals.decoding(worker, nowUs) + 1);
      }
      inProportion(scores);
    },
  }),
};
