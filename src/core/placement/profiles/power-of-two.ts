import type { ProfileDefinition } from "../contracts.ts";

export const powerOfTwo: ProfileDefinition = {
  kind: "profile",
  name: "power-of-two",
  summary:
    "The less busy of two endpoints drawn at random: close to the least busy, and no herd where many supervisors choose.",
  formula: "picker power-of-two",
  source: "Mitzenmacher (2001)",
  filters: [],
  scorers: [],
  picker: { name: "power-of-two", parameters: {} },
};
