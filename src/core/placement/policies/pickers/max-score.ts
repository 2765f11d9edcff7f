import type { PickerDefinition } from "../../contracts.ts";

/** Equal scores are told apart by who was picked longest ago, so that a burst over equal workers goes round. */
export const maxScore: PickerDefinition = {
  kind: "picker",
  name: "max-score",
  summary: "The highest weighted sum of scores wins; among equals the endpoint that was picked longest ago.",
  formula: "argmax Σ weight · score",
  source: "llm-d inference scheduler, max-score picker",
  needs: [],
  parameters: {},
  create: () => ({
    pick(candidates, _packet, totals) {
      let best = 0;
      for (let i = 1; i < candidates.length; i++) {
        const lead = totals[i]! - totals[best]!;
        if (lead > 0 || (lead === 0 && candidates[i]!.pickedAt < candidates[best]!.pickedAt)) best = i;
      }
      return best;
    },
  }),
};
