import type { EngineProfile } from "./engine-profile.ts";
import { type Gpu, vllmLike } from "./memory.ts";
import type { ModelName } from "./model-shapes.ts";

/**
 * Sets that inference-sim (BLIS) was fitted with to vLLM servers: a step takes b0 + b1 · prompt tokens + b2 · output
 * tokens; before it a request is on its way for a0 + a1 · prompt tokens, and each token for a2 behind it. A set belongs
 * together: taken one by one its figures mean nothing. Unquantised models whose KV cache can be computed.
 */
const SETS: readonly [
  gpu: Gpu,
  model: ModelName,
  tp: number,
  stepUs: readonly [number, number, number],
  besideUs: readonly [number, number, number],
][] = [
  ["a100", "granite-3.1-8b", 1, [4599.74, 115.735, 6.18074], [5948.91, 5.68898, 16738.3]],
  ["h100", "granite-3.1-8b", 1, [8721.04, 4.48316, 0.557792], [2247.79, 4.36671, 2026.85]],
  ["a100", "granite-3.1-8b", 2, [5322.22, 41.0746, 11.2743], [6282.22, 0.551001, 7853.78]],
  ["h100", "codellama-34b", 1, [26595.3, 96.2844, 56.5863], [13450.5, 0.0418138, 0]],
  ["h100", "granite-3.1-8b", 2, [2395.91, 11.769, 8.89451], [10024.5, 2.11024, 5822.54]],
  ["h100", "granite-3.1-8b", 4, [6147.71, 8.66989, 6.13921], [3478.11, 1.68884, 1013.57]],
  ["a100", "llama-3.1-8b", 1, [16441.5, 47.8374, 18.2056], [7739.73, 2.30893, 6276.25]],
  ["h100", "llama-3.1-8b", 1, [6472.01, 19.7972, 304.402], [10326.3, 0, 0]],
  ["a100", "llama-3.1-8b", 2, [8001.63, 26.3629, 14.969], [2943.61, 2.15129, 14229.2]],
  ["h100", "llama-3.1-8b", 2, [6910.42, 17.6706, 2.83775], [1601.35, 3.51248, 1805.54]],
  ["a100", "llama-3.1-8b", 4, [497.69, 30.017, 8.94335], [51.276, 4.39438, 9537.1]],
  ["h100", "llama-3.1-8b", 4, [41.8065, 11.861, 5.90996], [34.3899, 2.1871, 6001.15]],
  ["h100", "llama-3.3-70b", 4, [12601.3, 76.4228, 66.844], [2597.32, 9.95091, 11511.4]],
  ["h100", "llama-3.3-70b", 8, [14140.8, 10.0256, 19.4016], [27262, 12.4837, 112.293]],
  ["a100", "phi-4", 1, [18180, 82.4051, 53.8045], [4267.3, 16.66, 16319.9]],
  ["h100", "phi-4", 1, [4406.29, 47.4094, 23.3567], [3697.62, 7.50795, 9062.13]],
  ["a100", "phi-4", 2, [10800.5, 116.834, 20.5037], [683.222, 5.30768, 2886.32]],
  ["h100", "phi-4", 2, [574.319, 19.8802, 8.68923], [6440.71, 9.45983, 16785.2]],
  ["h100", "mistral-small-24b", 1, [25535, 163.184, 36.9679], [3091.64, 0.837502, 16179.3]],
  ["a100", "mistral-small-24b", 2, [8045.36, 185.13, 13.8873], [459.382, 8.42165, 18232.4]],
  ["h100", "mistral-small-24b", 2, [2464.11, 12.6447, 509.195], [10475, 11.2831, 2541.8]],
  ["a100", "mistral-small-24b", 4, [5657.1, 54.1458, 6.45369], [3122.79, 7.65258, 6552.27]],
  ["h100", "mistral-small-24b", 4, [1018.27, 19.0655, 11.5668], [7703.06, 9.0345, 12284]],
  ["h100", "mixtral-8x7b", 2, [12616.3, 29.9807, 29.7254], [14183.2, 0.0503585, 29675.1]],
  ["h100", "mixtral-8x7b", 4, [3648.05, 3.41068, 515.844], [26559.1, 2.4378, 2141.99]],
  ["h100", "qwen2.5-3b", 1, [4795.79, 9.44874, 35.6336], [3142.64, 0.105264, 0]],
  ["h100", "qwen3-14b", 1, [13578.2, 39.4447, 27.3228], [8888.09, 0.18489, 0]],
  ["a100", "qwen2.5-7b", 1, [10041.7, 81.121, 59.9862], [8970.34, 2.30821, 19547.4]],
  ["h100", "qwen2.5-7b", 1, [7051.8, 19.5384, 25.4318], [4680.3, 0, 0]],
  ["a100", "qwen2.5-7b", 2, [401.647, 47.404, 50.8056], [7025.08, 0.672336, 12768]],
  ["h100", "qwen2.5-7b", 2, [5700.27, 25.085, 13.859], [3964.16, 2.62221, 571.965]],
  ["a100", "qwen2.5-7b", 4, [5901.81, 6.74205, 31.2444], [2577.06, 0.333947, 32321.6]],
  ["h100", "qwen2.5-7b", 4, [2206.93, 16.7992, 218.095], [6748.57, 1.60069, 1952.68]],
];

export const BLIS: readonly EngineProfile[] = SETS.map(([gpu, model, tp, stepUs, besideUs]) => {
  const [stepBaseUs, promptTokenUs, outputTokenUs] = stepUs;
  const [queueBaseUs, queueTokenUs, outputUs] = besideUs;
  const profile = vllmLike({
    name: `blis-${gpu}-${model}-tp${tp}`,
    source: "inference-sim (BLIS), fitted to vLLM (Apache-2.0)",
    gpu,
    model,
    tp,
    prefillMs: [stepBaseUs / 1_000, promptTokenUs / 1_000, 0],
    decodeMs: [stepBaseUs / 1_000, outputTokenUs / 1_000, 0],
  });
  return { ...profile, queueUs: [queueBaseUs, queueTokenUs], outputUs };
});
