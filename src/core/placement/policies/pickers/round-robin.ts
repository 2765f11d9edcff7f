import type { PickerDefinition } from "../../contracts.ts";

export const roundRobin: PickerDefinition = {
  kind: "picker",
  name: "round-robin",
  summary: "The candidate that was picked longest ago, whatever the scores. One that has just come is next.",
  formula: "argmin of the last pick",
  source: "",
  needs: [],
  parameters: {},
  create: () => ({
    pick(candidates) {
      let oldest = 0;
      for (let i = 1; i < candidates.length; i++) {
        if (candidates[i]!.pickedAt < candidates[oldest]!.pickedAt) oldest = i;
      }
      return oldest;
    },
  }),
};
