import type { SheddingDefinition } from "../../contracts.ts";

export const none: SheddingDefinition = {
  kind: "shedding",
  name: "none",
  summary: "Nothing is turned away before a limit is reached.",
  formula: "",
  source: "",
  needs: [],
  parameters: {},
  create: () => ({ probability: () => 0 }),
};
