import type { ProfileDefinition } from "../contracts.ts";

export const sessionsKv: ProfileDefinition = {
  kind: "profile",
  name: "sessions-kv",
  summary: "The least full worker, by its limits on sessions and KV cache.",
  formula: "scorer sessions-kv; picker max-score",
  source: "Headgate",
  filters: [],
  scorers: [{ name: "sessions-kv", parameters: {}, weight: 1 }],
  picker: { name: "max-score", parameters: {} },
};
