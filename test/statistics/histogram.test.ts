import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/core/random.ts";
import { Histogram } from "../../src/simulator/statistics/histogram.ts";
import { quantile } from "../../src/simulator/statistics/quantiles.ts";

test("small values are exact, large ones known to a part in 4,096", () => {
  for (const value of [0, 1, 4_095, 4_096, 4_097, 8_191, 8_192, 123_456_789, 2 ** 40 + 12_345, 2 ** 52]) {
    const histogram = new Histogram();
    histogram.add(value);
    const got = histogram.quantile(1);
    assert(Math.abs(got - value) <= value / 4_096, `${value} became ${got}`);
    if (value < 4_096) assert.equal(got, value);
  }
});

test("quantiles are those of the values", () => {
  const random = new Random(1);
  const values = Array.from({ length: 20_000 }, () => Math.round(random.exponential(1e6)));
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  for (const q of [0.01, 0.5, 0.9, 0.99]) {
    assert(Math.abs(histogram.quantile(q) / quantile(values, q) - 1) < 1e-3);
  }
  histogram.clear();
  assert.equal(histogram.count, 0);
  assert(Number.isNaN(histogram.quantile(0.5)));
});
