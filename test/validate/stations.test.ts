import assert from "node:assert/strict";
import { test } from "node:test";
import { exactTimes } from "../../bench/validate/stations/exact-line.ts";
import { runSupervisorStation } from "../../bench/validate/stations/supervisor-station.ts";

const job = (arrivedUs: number, serviceUs: number, kind = 0) => ({ arrivedUs, serviceUs, kind });

test("times in a line: first come first served, by whoever is free first", () => {
  const jobs = [job(0, 10), job(1, 3), job(2, 5), job(30, 1)];
  assert.deepEqual(exactTimes(jobs, { servers: 1, kinds: 1 }), [10, 12, 16, 1]);
  assert.deepEqual(exactTimes(jobs, { servers: 2, kinds: 1 }), [10, 3, 7, 1]);
});

test("who is more urgent goes before those that wait, and interrupts nobody", () => {
  const jobs = [job(0, 10, 1), job(1, 3, 1), job(2, 5, 0)];
  assert.deepEqual(exactTimes(jobs, { servers: 1, kinds: 2 }), [10, 17, 13]);
});

test("through the whole supervisor a request takes as long as the recursion says", () => {
  for (const { servers, rates } of [
    { servers: 1, rates: [0.7] },
    { servers: 3, rates: [2.4] },
    { servers: 1, rates: [0.3, 0.4] },
  ]) {
    const { whole, batches } = runSupervisorStation({
      seed: 1,
      servers,
      rates,
      law: "exponential",
      requests: 300,
    });
    assert.ok(whole["apart"]! < 0.001, `${servers} servers: ${whole["apart"]}`);
    assert.equal(batches.length, 10);
    for (const { figures } of batches) assert.ok(figures["T"]! > figures["W"]!);
  }
});
