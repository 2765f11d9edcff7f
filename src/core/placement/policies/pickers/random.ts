import type { PickerDefinition } from "../../contracts.ts";

export const random: PickerDefinition = {
  kind: "picker",
  name: "random",
  summary: "Any candidate, with equal chances, whatever the scores.",
  formula: "",
  source: "",
  needs: [],
  parameters: {},
  create: () => ({
    pick: (candidates, _packet, _totals, { random: chance }) => chance.between(0, candidates.length - 1),
  }),
};
