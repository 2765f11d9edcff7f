import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/core/random.ts";
import { batchMeans } from "../../src/simulator/statistics/batch-means.ts";
import { bootstrap } from "../../src/simulator/statistics/bootstrap.ts";
import { controlWeights, knownChance } from "../../src/simulator/statistics/control-variates.ts";
import {
  bonferroni,
  contains,
  meanInterval,
  pairedDifference,
  sidak,
} from "../../src/simulator/statistics/intervals.ts";
import { mean, momentsOf, variance } from "../../src/simulator/statistics/moments.ts";
import { quantile, quantiles } from "../../src/simulator/statistics/quantiles.ts";
import { mannWhitneyTest, welchTest } from "../../src/simulator/statistics/two-samples.ts";

function close(got: number, expected: number, absolute = 1e-9): void {
  assert(Math.abs(got - expected) <= absolute, `got ${got}, expected ${expected}`);
}

function normals(random: Random, count: number): number[] {
  // Box and Muller.
  return Array.from(
    { length: count },
    () => Math.sqrt(random.exponential(2)) * Math.cos(2 * Math.PI * random.fraction()),
  );
}

test("mean and variance lose no digits to a large common part", () => {
  const values = [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16];
  assert.equal(mean(values), 1e9 + 10);
  assert.equal(variance(values), 30);
  assert.equal(momentsOf(values).count, 4);
  assert(Number.isNaN(mean([])) && Number.isNaN(variance([1])));
});

test("quantiles lie between two values in proportion", () => {
  assert.deepEqual(quantiles([40, 10, 30, 20], [0, 0.5, 1]), [10, 25, 40]);
  close(quantile([1, 2, 3, 4, 5], 0.9), 4.6);
  assert(Number.isNaN(quantile([], 0.5)));
});

test("a mean's interval is Student's", () => {
  const { value, halfWidth, count } = meanInterval([1, 2, 3, 4, 5]);
  assert.equal(value, 3);
  // t(0.975, 4) · √2.5 / √5
  close(halfWidth, 2.7764451051977987 * Math.sqrt(0.5), 1e-8);
  assert.equal(count, 5);
  assert.equal(meanInterval([7]).halfWidth, Infinity);
});

test("95 % intervals hold the truth about 95 times of 100", () => {
  const random = new Random(1);
  let held = 0;
  for (let i = 0; i < 2_000; i++) held += contains(meanInterval(normals(random, 10)), 0) ? 1 : 0;
  // Five standard deviations of 2,000 draws.
  close(held, 1_900, 5 * Math.sqrt(2_000 * 0.95 * 0.05));
});

test("what disturbs both sides alike drops out of paired differences", () => {
  const random = new Random(2);
  const common = normals(random, 20).map((value) => 100 * value);
  const difference = pairedDifference(
    common.map((value) => value + 1),
    common,
  );
  close(difference.value, 1);
  close(difference.halfWidth, 0);
  assert.throws(() => pairedDifference([1], [1, 2]), RangeError);
});

test("a family of intervals needs more confidence in each", () => {
  close(sidak(0.999, 1), 0.999);
  close(sidak(0.999, 100) ** 100, 0.999);
  close(bonferroni(0.95, 10), 0.995);
  assert(bonferroni(0.95, 10) > sidak(0.95, 10));
});

test("the mean of batches of a run that remembers has a wider interval than independent values would", () => {
  const random = new Random(3);
  let state = 0;
  const run = normals(random, 50_000).map((noise) => (state = 0.95 * state + noise));
  const batched = batchMeans(run, 20, 0.999);
  assert(contains(batched, 0));
  assert(batched.halfWidth > 3 * meanInterval(run, 0.999).halfWidth);
  assert.throws(() => batchMeans([1, 2, 3], 2), RangeError);
});

test("the bootstrap of a mean agrees with Student, and a seed decides it", () => {
  const values = normals(new Random(4), 200);
  const options = { rounds: 2_000 };
  const first = bootstrap(values, mean, { ...options, random: new Random(5) });
  assert.deepEqual(first, bootstrap(values, mean, { ...options, random: new Random(5) }));
  const { value, halfWidth } = meanInterval(values);
  assert.equal(first.value, value);
  close((first.high - first.low) / 2, halfWidth, halfWidth * 0.1);
});

test("Welch: two values a side with equal variances have two degrees of freedom, and p has a closed form", () => {
  const { statistic, p } = welchTest([0, 2], [3, 5]);
  const t = 3 / Math.SQRT2;
  close(statistic, -t);
  close(p, 1 - t / Math.sqrt(t * t + 2));
  assert.deepEqual(welchTest([1, 1], [1, 1]), { statistic: 0, p: 1 });
  assert.equal(welchTest([1, 1], [2, 2]).p, 0);
});

test("Mann-Whitney: ranks, ties and continuity", () => {
  // U = 18 of 25 without ties: z = (18 − 12.5 − 0.5)/√(25·11/12).
  const { statistic } = mannWhitneyTest([3, 5, 7, 8, 10], [1, 2, 4, 6, 9]);
  close(statistic, 5 / Math.sqrt((25 * 11) / 12));
  // All values equal: nothing to tell.
  assert.deepEqual(mannWhitneyTest([1, 1], [1, 1]), { statistic: 0, p: 1 });
  // Ties share a rank: [1, 2, 2] against [2, 3] has U = 1, variance 6/12·(6 − 24/20).
  close(mannWhitneyTest([1, 2, 2], [2, 3]).statistic, -1.5 / Math.sqrt(0.5 * (6 - 24 / 20)));
  assert(Number.isNaN(mannWhitneyTest([], [1]).p));
});

test("both tests find a difference that is there, and seldom one that is not", () => {
  const random = new Random(6);
  let false95 = 0;
  for (let i = 0; i < 500; i++) {
    const [a, b] = [normals(random, 20), normals(random, 30)];
    if (welchTest(a, b).p < 0.05) false95++;
    assert(
      mannWhitneyTest(
        a,
        b.map((value) => value + 3),
      ).p < 1e-4,
    );
  }
  assert(false95 < 25 + 5 * Math.sqrt(500 * 0.05 * 0.95));
  assert(false95 > 0);
});

test("what is owed to known chance is taken out of a mean", () => {
  const random = new Random(7);
  const controls = Array.from({ length: 40 }, () => normals(random, 2));
  const noise = normals(random, 40).map((value) => value / 100);
  const values = controls.map(([a, b], i) => 10 + 3 * a! - 2 * b! + noise[i]!);
  const freed = (rows: readonly (readonly number[])[]): number[] => {
    const weights = controlWeights(values, rows);
    return values.map((value, i) => value - knownChance(weights, rows[i]!));
  };
  const adjusted = meanInterval(freed(controls));
  assert(adjusted.halfWidth < meanInterval(values).halfWidth / 100);
  close(adjusted.value, 10, 0.02);
  // A control that says the same again, or nothing, changes nothing.
  const doubled = controls.map(([a, b]) => [a!, b!, 2 * a!, 0]);
  close(mean(freed(doubled)), adjusted.value, 1e-9);
  assert.deepEqual(controlWeights([1, 2], [[], []]), []);
});
