import type { ProfileDefinition } from "../contracts.ts";

export const random: ProfileDefinition = {
  kind: "profile",
  name: "random",
  summary: "Any endpoint that has room: what others are compared with.",
  formula: "picker random",
  source: "",
  filters: [],
  scorers: [],
  picker: { name: "random", parameters: {} },
};
