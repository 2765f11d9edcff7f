import { studentQuantile } from "./distributions.ts";
import { momentsOf } from "./moments.ts";

/** An estimate and how far off it may be: with the given confidence the truth lies in value ± halfWidth. */
export interface Interval {
  value: number;
  halfWidth: number;
  confidence: number;
  /** Independent values behind it. */
  count: number;
}

/**
 * The mean of independent values, such as one figure from each of several seeds: mean ± t·s/√n, with Student's t for
 * n − 1 degrees of freedom. The half-width is infinite for fewer than two values.
 */
export function meanInterval(values: Iterable<number>, confidence = 0.95): Interval {
  const { count, mean, deviation } = momentsOf(values);
  if (count === 0) return { value: Number.NaN, halfWidth: Infinity, confidence, count };
  const halfWidth =
    count < 2 ? Infinity : (studentQuantile((1 + confidence) / 2, count - 1) * deviation) / Math.sqrt(count);
  return { value: mean, halfWidth, confidence, count };
}

/**
 * The mean of a[i] − b[i], where both were measured under the same seed: what disturbs both alike drops out. Throws
 * when they are not equally many.
 */
export function pairedDifference(a: readonly number[], b: readonly number[], confidence = 0.95): Interval {
  if (a.length !== b.length) throw new RangeError(`${a.length} values can't be paired with ${b.length}`);
  return meanInterval(
    a.map((value, i) => value - b[i]!),
    confidence,
  );
}

/**
 * The confidence each of `count` intervals needs for all of them to hold at once with the one given, where they are
 * independent: Šidák, "Rectangular confidence regions for the means of multivariate normal distributions" (1967).
 */
export function sidak(familyConfidence: number, count: number): number {
  // 1 − (1 − family)^(1/n), in a way that keeps the digits of what is close to 1.
  return Math.exp(Math.log(familyConfidence) / count);
}

/** The same whatever depends on what, a hair wider: Bonferroni's inequality, 1 − (1 − family)/n. */
export function bonferroni(familyConfidence: number, count: number): number {
  return 1 - (1 - familyConfidence) / count;
}

export function contains({ value, halfWidth }: Interval, truth: number): boolean {
  return Math.abs(value - truth) <= halfWidth;
}
