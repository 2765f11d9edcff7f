import type { EngineProfile } from "./engine-profile.ts";
import { type Gpu, vllmLike } from "./memory.ts";
import type { ModelName } from "./model-shapes.ts";

/**
 * Fits to the 1,260 measured rows of Splitwise (Patel et al., ISCA 2024): decoding within 3 % on average, prefill within
 * 9 to 16 %. On two GPUs prefill is off by more than a third, so those are left out.
 */
const FITS: readonly [
  gpu: Gpu,
  model: ModelName,
  tp: number,
  prefillMs: readonly [number, number, number],
  decodeMs: readonly [number, number, number],
][] = [
  ["a100", "bloom-176b", 8, [31.2769, 0.275606, 1.37073e-5], [48.0352, 0.436521, 0.000408994]],
  ["h100", "bloom-176b", 8, [17.7572, 0.118725, 7.57375e-6], [35.5821, 0.304355, 0.000155858]],
  ["a100", "llama-2-70b", 4, [13.1416, 0.242319, 7.37014e-8], [43.3171, 0.182545, 0.000371562]],
  ["a100", "llama-2-70b", 8, [21.5405, 0.150779, 2.07269e-6], [44.0719, 0.189749, 0.000335434]],
  ["h100", "llama-2-70b", 4, [19.0102, 0.0883137, 3.16685e-6], [28.8229, 0.264191, 0.000100774]],
  ["h100", "llama-2-70b", 8, [22.3864, 0.0647977, 3.70718e-6], [29.8886, 0.199277, 0.0001785]],
];

export const SPLITWISE: readonly EngineProfile[] = FITS.map(([gpu, model, tp, prefillMs, decodeMs]) => {
  return vllmLike({
    name: `${gpu}-${model}-tp${tp}`,
    source: "Splitwise, splitwise-sim 8f99e7dc, measured (MIT), fitted",
    gpu,
    model,
    tp,
    prefillMs,
    decodeMs,
  });
});
