import { kvBytesPerToken } from "../../core/fleet/kv.ts";

/** What a model takes up: from its published configuration, with 16-bit weights and a 16-bit KV cache. */
interface ModelShape {
  weightsGb: number;
  layers: number;
  kvHeads: number;
  headLength: number;
  contextTokens: number;
}

const SHAPES = {
  "llama-3.1-8b": { weightsGb: 16.06, layers: 32, kvHeads: 8, headLength: 128, contextTokens: 131_072 },
  "llama-3.1-70b": { weightsGb: 141.1, layers: 80, kvHeads: 8, headLength: 128, contextTokens: 131_072 },
  "llama-3.3-70b": { weightsGb: 141.1, layers: 80, kvHeads: 8, headLength: 128, contextTokens: 131_072 },
  "llama-2-70b": { weightsGb: 138, layers: 80, kvHeads: 8, headLength: 128, contextTokens: 4_096 },
  "qwen3-32b": { weightsGb: 65.52, layers: 64, kvHeads: 8, headLength: 128, contextTokens: 40_960 },
  "qwen3-14b": { weightsGb: 29.5, layers: 40, kvHeads: 8, headLength: 128, contextTokens: 40_960 },
  "qwen2.5-7b": { weightsGb: 15.2, layers: 28, kvHeads: 4, headLength: 128, contextTokens: 32_768 },
  "qwen2.5-3b": { weightsGb: 6.2, layers: 36, kvHeads: 2, headLength: 128, contextTokens: 32_768 },
  "granite-3.1-8b": { weightsGb: 16.3, layers: 40, kvHeads: 8, headLength: 128, contextTokens: 131_072 },
  "phi-4": { weightsGb: 29.3, layers: 40, kvHeads: 10, headLength: 128, contextTokens: 16_384 },
  "mistral-small-24b": { weightsGb: 47.2, layers: 40, kvHeads: 8, headLength: 128, contextTokens: 32_768 },
  "mixtral-8x7b": { weightsGb: 93.4, layers: 32, kvHeads: 8, headLength: 128, contextTokens: 32_768 },
  "codellama-34b": { weightsGb: 67.5, layers: 48, kvHeads: 8, headLength: 128, contextTokens: 16_384 },
  "bloom-176b": { weightsGb: 352.5, layers: 70, kvHeads: 112, headLength: 128, contextTokens: 2_048 },
  "opt-13b": { weightsGb: 25.7, layers: 40, kvHeads: 40, headLength: 128, contextTokens: 2_048 },
  "opt-66b": { weightsGb: 131.5, layers: 64, kvHeads: 72, headLength: 128, contextTokens: 2_048 },
} as const satisfies Record<string, ModelShape>;

export type ModelName = keyof typeof SHAPES;

export function shapeOf(model: ModelName): ModelShape {
  return SHAPES[model];
}

/** KV cache of one token: 2 (key and value) × layers × KV heads × head length × 2 bytes. */
export function kvBytesOf(model: ModelName): number {
  const { layers, kvHeads, headLength } = SHAPES[model];
  const lengths = { keyLength: headLength, valueLength: headLength };
  return kvBytesPerToken({ layers, kvHeads, ...lengths, keyBytes: 2, valueBytes: 2 });
}
