import type { EngineProfile } from "./engine-profile.ts";

/**
 * LightLLM with Llama-7B on an A10G, as the artifact of VTC (Sheng et al., OSDI 2024) was measured with: a KV pool of
 * 10,000 tokens, prompts up to 3,072 tokens in a step of their own at most every ten steps, and admission by the peak that
 * the known lengths will come to. Fitted to its cost profile: prefill within 2.8 %, decoding within 3.5 % on average.
 */
export const A10G_LLAMA_7B: EngineProfile = {
  name: "a10g-llama-7b",
  source: "VTC-artifact 192c2e20, cost profile of LightLLM (Apache-2.0), fitted",
  prefillUs: [52_000, 211.5, 0],
  decodeUs: [18_160, 215.1, 1.891],
  kvTokens: 10_000,
  blockTokens: 1,
  sequencesMax: 1_000,
  contextTokens: 4_096,
  batching: { kind: "alternating", tokensPerStepMax: 3_072, decodeStepsBetween: 10 },
  admission: "peak",
  prefixCache: false,
  startUs: 60e6,
  // 2 × 32 layers × 4,096 × 2 bytes.
  bytesPerKvToken: 524_288,
};
