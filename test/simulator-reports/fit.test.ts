import assert from "node:assert/strict";
import { test } from "node:test";
import { prefillTerms } from "../../src/simulator/calibration/calibrate.ts";
import { fitRelative } from "../../src/simulator/calibration/fit.ts";

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-4 * Math.abs(expected), `${actual} is not ${expected}`);
}

test("what was made of three terms is found again", () => {
  const truth = [5_000, 25, 0.0008];
  const observations = [16, 100, 700, 3_000, 9_000, 30_000].map((tokens) => {
    const terms = [1, tokens, tokens ** 2];
    return { terms, measured: terms.reduce((sum, term, i) => sum + term * truth[i]!, 0) };
  });
  const { coefficients, meanError } = fitRelative(observations);
  for (const [i, value] of truth.entries()) close(coefficients[i]!, value);
  assert.ok(meanError < 1e-5);
});

test("no coefficient is negative, and the others are fitted without it", () => {
  const observations = [1, 2, 3, 4].map((x) => ({ terms: [1, x, x ** 2], measured: 10 * x - x ** 2 / 2 }));
  const { coefficients } = fitRelative(observations);
  assert.ok(coefficients.every((value) => value >= 0));
  assert.equal(coefficients[2], 0);
  assert.ok(coefficients[1]! > 5);
});

test("errors count in proportion: one point that is off does not bend the small ones", () => {
  const observations = [10, 20, 40, 80, 160].map((x) => ({ terms: [1, x], measured: 100 + x * 7 }));
  const off = [...observations, { terms: [1, 10_000], measured: 77_000 }];
  const { coefficients } = fitRelative(off);
  assert.ok(Math.abs(coefficients[0]! - 100) < 10);
});

test("a term that never occurs is 0, and a single term is an average", () => {
  assert.deepEqual(
    fitRelative([
      { terms: [0, 2], measured: 10 },
      { terms: [0, 4], measured: 20 },
    ]).coefficients[0],
    0,
  );
  assert.throws(() => fitRelative([]), /nothing to fit/);
});

test("a prompt is read in steps of so many tokens", () => {
  assert.deepEqual(prefillTerms(64, 64), [1, 64, 4_096]);
  assert.deepEqual(prefillTerms(65, 64), [2, 65, 4_225]);
});
