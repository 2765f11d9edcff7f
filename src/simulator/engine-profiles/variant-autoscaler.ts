import type { EngineProfile } from "./engine-profile.ts";
import { type Gpu, vllmLike } from "./memory.ts";

/**
 * Figures that the llm-d workload-variant-autoscaler comes with: time between tokens α + β · batch, time to the first
 * one γ + δ · prompt tokens · batch. Which model they are for it does not say; memory is that of an 8B one.
 */
const FIGURES: readonly [
  gpu: Gpu,
  betweenMs: readonly [alpha: number, beta: number],
  firstMs: readonly [gamma: number, delta: number],
][] = [
  ["h100", [7.47, 0.044], [15.415, 0.000337]],
  ["l40s", [22.619, 0.181], [226.19, 0.018]],
  ["a100", [20.58, 0.41], [5.2, 0.1]],
];

export const VARIANT_AUTOSCALER: readonly EngineProfile[] = FIGURES.map(([gpu, betweenMs, firstMs]) => {
  const [alpha, beta] = betweenMs;
  const [gamma, delta] = firstMs;
  return vllmLike({
    name: `wva-${gpu}`,
    source: "llm-d workload-variant-autoscaler (Apache-2.0)",
    gpu,
    model: "llama-3.1-8b",
    tp: 1,
    prefillMs: [gamma, delta, 0],
    decodeMs: [alpha, beta, 0],
  });
});
