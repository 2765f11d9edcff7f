import { normalTail, studentTail } from "./distributions.ts";
import { momentsOf } from "./moments.ts";

/** Whether two samples differ by more than chance explains. */
export interface DifferenceTest {
  /** The statistic: t for Welch, z for Mann-Whitney. */
  statistic: number;
  /** How often chance alone gives a statistic this far from zero, in [0, 1]. */
  p: number;
}

/**
 * Whether the means of two independent samples differ, whatever their variances: Welch, Biometrika 34 (1947), with
 * degrees of freedom by Satterthwaite. NaN for fewer than two values a side; p is 1 or 0 where nothing varies.
 */
export function welchTest(a: Iterable<number>, b: Iterable<number>): DifferenceTest {
  const [left, right] = [momentsOf(a), momentsOf(b)];
  const [u, v] = [left.variance / left.count, right.variance / right.count];
  const difference = left.mean - right.mean;
  if (u + v === 0)
    return difference === 0 ? { statistic: 0, p: 1 } : { statistic: difference * Infinity, p: 0 };
  const statistic = difference / Math.sqrt(u + v);
  const freedom = (u + v) ** 2 / (u ** 2 / (left.count - 1) + v ** 2 / (right.count - 1));
  return { statistic, p: 2 * studentTail(Math.abs(statistic), freedom) };
}

/**
 * Whether values of `a` tend to be larger (z > 0) or smaller than those of `b`, by ranks, so that no outlier counts more than
 * its place: Mann and Whitney (1947), by the normal approximation with the correction for ties and for continuity. Good
 * from about eight values a side.
 */
export function mannWhitneyTest(a: Iterable<number>, b: Iterable<number>): DifferenceTest {
  const values = [
    ...Array.from(a, (value) => ({ value, isLeft: true })),
    ...Array.from(b, (value) => ({ value, isLeft: false })),
  ].sort((left, right) => left.value - right.value);
  const n = values.length;
  const left = values.filter(({ isLeft }) => isLeft).length;
  const right = n - left;
  if (left === 0 || right === 0) return { statistic: Number.NaN, p: Number.NaN };
  let rankSum = 0;
  let ties = 0;
  for (let from = 0; from < n;) {
    let to = from;
    while (to < n && values[to]!.value === values[from]!.value) to++;
    const equal = to - from;
    // Equal values share the mean of their ranks, which count from 1.
    const rank = (from + 1 + to) / 2;
    for (let i = from; i < to; i++) if (values[i]!.isLeft) rankSum += rank;
    ties += equal ** 3 - equal;
    from = to;
  }
  const centred = rankSum - (left * (left + 1)) / 2 - (left * right) / 2;
  const spread = Math.sqrt(((left * right) / 12) * (n + 1 - ties / (n * (n - 1))));
  if (spread === 0) return { statistic: 0, p: 1 };
  const statistic = (Math.sign(centred) * Math.max(0, Math.abs(centred) - 0.5)) / spread;
  return { statistic, p: Math.min(1, 2 * normalTail(Math.abs(statistic))) };
}
