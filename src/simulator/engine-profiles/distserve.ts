import type { EngineProfile } from "./engine-profile.ts";
import { microseconds } from "./memory.ts";
import { kvBytesOf, type ModelName } from "./model-shapes.ts";

/** Batches from this size on are decoded by the second set of figures. */
const LARGE_BATCH = 95;

/**
 * The simulator's figures of DistServe (Zhong et al., OSDI 2024) for its own engine on A100 80 GB, with the room that it
 * measured for KV cache.
 */
const FITS: readonly [
  model: ModelName,
  tp: number,
  kvTokens: number,
  prefillMs: readonly [number, number, number],
  decodeMs: readonly [number, number, number],
  decodeLargeMs: readonly [number, number, number],
][] = [
  [
    "opt-13b",
    1,
    66_144,
    [18.1025, 0.101912, 7.12226e-6],
    [19.9347, 0.038507, 0.000626936],
    [7.16619, 0.158311, 0.0005798],
  ],
  [
    "opt-13b",
    2,
    163_008,
    [14.743, 0.0685772, 2.44957e-6],
    [13.2948, 0.0629639, 0.000341092],
    [10.6387, 0.0856291, 0.000311834],
  ],
  [
    "opt-13b",
    4,
    356_736,
    [12.0623, 0.0380814, 5.22625e-7],
    [10.2562, 0.0326927, 0.000187867],
    [10.4835, 0.0456665, 0.000171209],
  ],
  [
    "opt-66b",
    2,
    11_600,
    [43.0588, 0.274229, 2.2478e-5],
    [48.288, 0.12755, 0.000942434],
    [28.7277, 0.296178, 0.000474485],
  ],
  [
    "opt-66b",
    3,
    45_056,
    [32.9982, 0.195683, 1.22052e-5],
    [35.8015, 0.095267, 0.0005845],
    [22.6539, 0.208514, 0.000535849],
  ],
  [
    "opt-66b",
    4,
    78_496,
    [29.4416, 0.151352, 8.31745e-6],
    [30.7603, 0.0632842, 0.000451948],
    [27.4708, 0.124807, 0.000404685],
  ],
  [
    "opt-66b",
    8,
    212_304,
    [25.4907, 0.106592, 3.39105e-6],
    [23.1551, 0.0480064, 0.000226915],
    [21.7177, 0.0897861, 0.000375809],
  ],
];

export const DISTSERVE: readonly EngineProfile[] = FITS.map((fit): EngineProfile => {
  const [model, tp, kvTokens, prefillMs, decodeMs, decodeLargeMs] = fit;
  return {
    name: `a100-${model}${tp === 1 ? "" : `-tp${tp}`}`,
    source: "LLMServe/DistServe, simulator profile of A100 80 GB (Apache-2.0)",
    prefillUs: microseconds(prefillMs),
    decodeUs: microseconds(decodeMs),
    decodeLarge: { batchMin: LARGE_BATCH, decodeUs: microseconds(decodeLargeMs) },
    kvTokens,
    blockTokens: 16,
    sequencesMax: 256,
    contextTokens: 2_048,
    batching: { kind: "alternating", tokensPerStepMax: 2_048, decodeStepsBetween: 1 },
    prefixCache: false,
    startUs: 60e6,
    bytesPerKvToken: kvBytesOf(model),
  };
});
