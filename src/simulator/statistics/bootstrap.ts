import type { Random } from "../../core/random.ts";
import { ascendingOf, quantileOfSorted } from "./quantiles.ts";

/** What a figure of a sample might as well have been. */
export interface BootstrapInterval {
  value: number;
  low: number;
  high: number;
  confidence: number;
}

/**
 * The percentile interval of any statistic, such as a p99: the sample is drawn again from itself `rounds` times, and the
 * middle share of the statistics that come of it is the interval. Efron and Tibshirani, "An Introduction to the
 * Bootstrap", §13.3. Costs rounds × (draws + statistic); the random numbers decide it fully.
 */
export function bootstrap(
  values: ArrayLike<number>,
  statistic: (sample: Float64Array) => number,
  { random, rounds = 1_000, confidence = 0.95 }: { random: Random; rounds?: number; confidence?: number },
): BootstrapInterval {
  if (values.length === 0) throw new RangeError("there are no values to draw from");
  const sample = new Float64Array(values.length);
  const statistics = new Float64Array(rounds);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < sample.length; i++) sample[i] = values[random.between(0, values.length - 1)]!;
    statistics[round] = statistic(sample);
  }
  const ascending = ascendingOf(statistics);
  return {
    value: statistic(Float64Array.from(values)),
    low: quantileOfSorted(ascending, (1 - confidence) / 2),
    high: quantileOfSorted(ascending, (1 + confidence) / 2),
    confidence,
  };
}
