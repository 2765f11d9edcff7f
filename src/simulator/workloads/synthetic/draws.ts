import type { Random } from "../../../core/random.ts";
import { logGamma } from "../../statistics/distributions.ts";

/** Draws one value; all laws here are of numbers that are not negative. */
export type Draw = (random: Random) => number;

/** Box and Muller (1958); the second of each pair is not kept, so that draws don't depend on those before. */
export function normal(random: Random): number {
  return Math.sqrt(random.exponential(2)) * Math.cos(2 * Math.PI * random.fraction());
}

/** Gamma with a mean and a coefficient of variation (1: exponential): Marsaglia and Tsang, ACM TOMS 26 (2000). */
export function gamma(mean: number, variation: number): Draw {
  if (variation === 0) return () => mean;
  const shape = 1 / variation ** 2;
  const scale = mean / shape;
  // Shapes below 1 are drawn one higher, times U^(1/shape).
  const raised = shape < 1 ? shape + 1 : shape;
  const d = raised - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  return (random) => {
    for (;;) {
      const x = normal(random);
      const v = (1 + c * x) ** 3;
      if (v <= 0 || -random.exponential(1) >= 0.5 * x * x + d - d * v + d * Math.log(v)) continue;
      return d * v * scale * (shape < 1 ? Math.exp(-random.exponential(1) / shape) : 1);
    }
  };
}

/** Weibull with a mean and its shape parameter (1: exponential). */
export function weibull(mean: number, shape: number): Draw {
  const scale = mean / Math.exp(logGamma(1 + 1 / shape));
  return (random) => scale * random.exponential(1) ** (1 / shape);
}

/** Lognormal by its own mean and coefficient of variation, not by those of its logarithm. */
export function lognormal(mean: number, variation: number): Draw {
  const spread = Math.sqrt(Math.log1p(variation ** 2));
  const middle = Math.log(mean) - spread ** 2 / 2;
  return (random) => Math.exp(middle + spread * normal(random));
}

/** Values with weights, which need not add up to 1. Throws where no weight is positive. */
export function histogram(bins: readonly (readonly [value: number, weight: number])[]): Draw {
  const ends: number[] = [];
  let total = 0;
  for (const [, weight] of bins) ends.push((total += weight));
  if (!(total > 0)) throw new RangeError("no value of the histogram has any weight");
  return (random) => {
    const at = random.fraction() * total;
    let [low, high] = [0, ends.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return bins[low]![0];
  };
}

export function exponential(mean: number): Draw {
  return (random) => random.exponential(mean);
}

export function fixed(value: number): Draw {
  return () => value;
}
