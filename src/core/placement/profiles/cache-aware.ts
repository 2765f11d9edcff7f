import type { ProfileDefinition } from "../contracts.ts";

export const cacheAware: ProfileDefinition = {
  kind: "profile",
  name: "cache-aware",
  summary: "Stays with the holder of the prompt's beginning until load drifts apart.",
  formula: "picker cache-aware",
  source: "SGLang router",
  filters: [],
  scorers: [],
  picker: { name: "cache-aware", parameters: {} },
};
