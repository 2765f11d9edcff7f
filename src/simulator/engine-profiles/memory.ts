import type { EngineProfile } from "./engine-profile.ts";
import { kvBytesOf, type ModelName, shapeOf } from "./model-shapes.ts";

/** Memory of one GPU, in GB. */
const MEMORY_GB = { a100: 80, h100: 80, h200: 141, b200: 180, l40s: 48 } as const;

export type Gpu = keyof typeof MEMORY_GB;

/** Share of a GPU's memory that an engine takes, for weights and KV cache. */
const TAKEN = 0.9;

/** Tokens of prompts and answers in one step of vLLM, as it comes for an API server on large and on small GPUs. */
const TOKENS_PER_STEP = { large: 8_192, small: 2_048 };

const BLOCK_TOKENS = 16;

/** Nobody publishes it: loading weights and warming up takes around a minute. */
const START_US = 60e6;

/** Tokens that find room: (memory of all GPUs × 0.9 − weights) / bytes of a token, in whole blocks. */
export function kvTokensOn(gpu: Gpu, model: ModelName, tp: number): number {
  const freeBytes = (MEMORY_GB[gpu] * tp * TAKEN - shapeOf(model).weightsGb) * 1e9;
  return Math.floor(freeBytes / kvBytesOf(model) / BLOCK_TOKENS) * BLOCK_TOKENS;
}

export function microseconds([a, b, c]: readonly [number, number, number]): [number, number, number] {
  return [a * 1_000, b * 1_000, c * 1_000];
}

/** A profile from published step times, where batching and caching are as vLLM has them: chunked prefill, prefix cache. */
export function vllmLike(figures: {
  name: string;
  source: string;
  gpu: Gpu;
  model: ModelName;
  tp: number;
  prefillMs: readonly [number, number, number];
  decodeMs: readonly [number, number, number];
}): EngineProfile {
  const { name, source, gpu, model, tp, prefillMs, decodeMs } = figures;
  const kvTokens = kvTokensOn(gpu, model, tp);
  const size = MEMORY_GB[gpu] >= 80 ? "large" : "small";
  return {
    name,
    source,
    prefillUs: microseconds(prefillMs),
    decodeUs: microseconds(decodeMs),
    kvTokens,
    blockTokens: BLOCK_TOKENS,
    sequencesMax: 256,
    contextTokens: Math.min(shapeOf(model).contextTokens, kvTokens - BLOCK_TOKENS),
    batching: { kind: "mixed", tokensPerStepMax: TOKENS_PER_STEP[size] },
    prefixCache: true,
    startUs: START_US,
    bytesPerKvToken: kvBytesOf(model),
  };
}
