import { ascendingOf, quantileOfSorted } from "../statistics/quantiles.ts";
import { mean } from "../statistics/moments.ts";

/** A few numbers that stand for many; in the unit of the values. */
export interface Distribution {
  count: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Null when there is no value. */
export function distributionOf(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  const ascending = ascendingOf(values);
  return {
    count: ascending.length,
    mean: mean(ascending),
    p50: quantileOfSorted(ascending, 0.5),
    p90: quantileOfSorted(ascending, 0.9),
    p99: quantileOfSorted(ascending, 0.99),
    max: ascending.at(-1)!,
  };
}

/** Quantiles at even steps, from the least value to the greatest: `steps` + 1 of them; none when there is no value. */
export function quantileCurve(values: readonly number[], steps: number): number[] {
  if (values.length === 0) return [];
  const ascending = ascendingOf(values);
  return Array.from({ length: steps + 1 }, (_, step) => quantileOfSorted(ascending, step / steps));
}
