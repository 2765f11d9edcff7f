import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/core/random.ts";

function fractions(random: Random): number[] {
  return Array.from({ length: 1_000 }, () => random.fraction());
}

test("a seed gives the same numbers, another seed others", () => {
  assert.deepEqual(fractions(new Random(1)), fractions(new Random(1)));
  assert.notDeepEqual(fractions(new Random(1)), fractions(new Random(2)));
  assert.notDeepEqual(fractions(new Random(1)), fractions(new Random(2 ** 32 + 1)));
});

test("numbers spread evenly over their range and reach both of its ends", () => {
  const random = new Random(3);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 60_000; i++) counts[random.between(0, 5)]!++;
  // Five standard deviations of a count of 60,000 draws with one chance in six.
  for (const count of counts) assert(Math.abs(count - 10_000) < 5 * Math.sqrt((60_000 * 5) / 36));
});

test("times between arrivals have the mean asked for", () => {
  const random = new Random(4);
  const times = Array.from({ length: 40_000 }, () => random.exponential(100));
  const mean = times.reduce((sum, time) => sum + time) / times.length;
  assert(Math.abs(mean - 100) < (5 * 100) / Math.sqrt(times.length));
});

function forked(drawsFromOther: number): number[] {
  const random = new Random(5);
  const [other, fork] = [random.fork(), random.fork()];
  for (let i = 0; i < drawsFromOther; i++) other.fraction();
  return fractions(fork);
}

test("a fork does not depend on what is drawn from the others", () => {
  assert.deepEqual(forked(0), forked(100));
});
