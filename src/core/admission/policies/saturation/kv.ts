import type { SaturationDefinition } from "../../contracts.ts";

export const kv: SaturationDefinition = {
  kind: "saturation",
  name: "kv",
  summary: "How much of the KV cache is set aside, from the share on at which that begins to matter.",
  formula: "clamp((kv_bytes / kv_bytes_max − from) / (1 − from), 0, 1)",
  source: "llm-d inference scheduler, utilisation detector",
  needs: [],
  parameters: {
    from: {
      summary: "Share up to which the cache counts as empty.",
      unit: "",
      default: 0.8,
      min: 0,
      max: 0.99,
    },
  },
  create: (parameters) => {
    const from = Number(parameters["from"]);
    return {
      of: ({ kvBytes, kvBytesMax }) => Math.min(1, Math.max(0, (kvBytes / kvBytesMax - from) / (1 - from))),
    };
  },
};
