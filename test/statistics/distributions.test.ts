import assert from "node:assert/strict";
import { test } from "node:test";
import {
  incompleteBeta,
  logGamma,
  normalQuantile,
  normalTail,
  studentQuantile,
  studentTail,
} from "../../src/simulator/statistics/distributions.ts";

function close(got: number, expected: number, relative = 1e-6): void {
  assert(Math.abs(got - expected) <= relative * Math.abs(expected), `got ${got}, expected ${expected}`);
}

test("normal quantiles are those of the tables", () => {
  close(normalQuantile(0.975), 1.959963984540054, 1e-12);
  close(normalQuantile(0.999), 3.090232306167813, 1e-12);
  close(normalQuantile(0.999999), 4.753424308822899, 1e-9);
  close(normalQuantile(0.025), -1.959963984540054, 1e-12);
  assert.equal(Math.abs(normalQuantile(0.5)) < 1e-12, true);
});

test("normal tails keep their digits far out, and both ways of working them out meet", () => {
  close(normalTail(1), 0.15865525393145705, 1e-12);
  close(normalTail(6), 9.865876450376946e-10, 1e-12);
  close(normalTail(-2), 0.9772498680518208, 1e-12);
  close(normalTail(3 - 1e-9), normalTail(3 + 1e-9), 1e-7);
});

test("Student's quantiles are those of the tables", () => {
  close(studentQuantile(0.975, 19), 2.093024054408263, 1e-9);
  close(studentQuantile(0.995, 10), 3.169272672616872, 1e-9);
  close(studentQuantile(0.975, 5), 2.570581835636314, 1e-9);
  close(studentQuantile(0.95, 30), 1.697260886593957, 1e-9);
  close(studentQuantile(0.975, 1e7), normalQuantile(0.975));
});

test("with one, two and four degrees of freedom Student's quantiles have closed forms", () => {
  for (const p of [0.6, 0.9, 0.99, 0.9999, 0.9999999]) {
    const a = 4 * p * (1 - p);
    close(studentQuantile(p, 1), Math.tan(Math.PI * (p - 0.5)));
    close(studentQuantile(p, 2), 2 * (p - 0.5) * Math.sqrt(2 / a));
    const q = Math.cos(Math.acos(Math.sqrt(a)) / 3) / Math.sqrt(a);
    close(studentQuantile(p, 4), 2 * Math.sqrt(q - 1));
    close(studentTail(studentQuantile(p, 7.5), 7.5), 1 - p);
    close(studentQuantile(1 - p, 3), -studentQuantile(p, 3));
  }
});

test("a probability of 0 or 1 has no quantile", () => {
  assert.throws(() => studentQuantile(1, 5), RangeError);
  assert.throws(() => normalQuantile(0), RangeError);
});

test("the gamma and beta functions behind them", () => {
  close(logGamma(0.5), Math.log(Math.sqrt(Math.PI)), 1e-12);
  close(logGamma(11), Math.log(3_628_800), 1e-12);
  // I_x(2, 3) = 6x² − 8x³ + 3x⁴
  for (const x of [0.1, 0.5, 0.9])
    close(incompleteBeta(x, 2, 3), 6 * x ** 2 - 8 * x ** 3 + 3 * x ** 4, 1e-12);
  assert.equal(incompleteBeta(0, 2, 3), 0);
  assert.equal(incompleteBeta(1, 2, 3), 1);
});
