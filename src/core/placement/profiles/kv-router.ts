import type { ProfileDefinition } from "../contracts.ts";

export const kvRouter: ProfileDefinition = {
  kind: "profile",
  name: "kv-router",
  summary: "Tokens to compute against tokens held.",
  formula: "scorer kv-router; picker softmax",
  source: "NVIDIA Dynamo, KV router",
  filters: [],
  scorers: [{ name: "kv-router", parameters: {}, weight: 1 }],
  picker: { name: "softmax", parameters: {} },
};
