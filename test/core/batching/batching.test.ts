import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { BATCHING } from "../../../src/core/batching/catalogue.ts";
import type { Batchable } from "../../../src/core/batching/contracts.ts";
import { DurationFit } from "../../../src/core/batching/duration-fit.ts";
import { createPolicy } from "../../../src/core/policy.ts";
import { retellBatching } from "./batching-story.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const NAMES = readdirSync(FOLDER).sort();

for (const name of NAMES) {
  test(`batching story ${name}`, () => {
    const file = join(FOLDER, name);
    const written = readFileSync(file, "utf8");
    const told = retellBatching(written);
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") writeFileSync(file, told);
    else assert.equal(told, written);
  });
}

test("every batching policy has a story", () => {
  assert.deepEqual(
    Object.keys(BATCHING).filter((name) => !NAMES.includes(`${name}.txt`)),
    [],
  );
});

const arrivals = fc.array(
  fc.record({
    gapUs: fc.nat(30_000),
    tokens: fc.integer({ min: 1, max: 5_000 }),
    patienceUs: fc.constantFrom(Infinity, 50_000, 200_000),
  }),
  { minLength: 1, maxLength: 60, size: "max" },
);

test("whatever the policy, each request is served or found late once, and nobody waits for ever", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(BATCHING)), arrivals, (name, gaps) => {
      let atUs = 0;
      const coming = gaps.map(({ gapUs, tokens, patienceUs }): Batchable => {
        atUs += gapUs;
        return { tokens, sinceUs: atUs, dueUs: atUs + patienceUs };
      });
      const batcher = createPolicy(BATCHING, { name, parameters: {} });
      const waiting: Batchable[] = [];
      let nowUs = 0;
      let over = 0;
      while (over < gaps.length) {
        while (coming[0] !== undefined && coming[0].sinceUs <= nowUs) waiting.push(coming.shift()!);
        const nextUs = coming[0]?.sinceUs ?? Infinity;
        if (waiting.length === 0) {
          nowUs = nextUs;
          continue;
        }
        const { late, take, againUs } = batcher.next(waiting, nowUs);
        assert(late + take <= waiting.length);
        assert(take > 0 || againUs > nowUs, "waits for something");
        waiting.splice(0, late);
        const batch = waiting.splice(0, take);
        over += late + take;
        if (take === 0 && waiting.length > 0) {
          const untilUs = Math.min(againUs, nextUs);
          assert(untilUs < Infinity, "waits for something that comes");
          nowUs = untilUs;
        }
        if (take > 0) {
          const durationUs = 5_000 + 800 * take;
          batcher.observed?.({ size: take, waitUs: nowUs - batch[0]!.sinceUs, durationUs });
          nowUs += durationUs;
        }
      }
    }),
  );
});

test("token budgets are kept, padded and ragged, and as much is taken as fits", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(
      lengths,
      fc.integer({ min: 1, max: 600 }),
      fc.constantFrom("padded", "ragged"),
      (each, tokens, layout) => {
        const batcher = createPolicy(BATCHING, { name: "token-budget", parameters: { tokens, layout } });
        const waiting = each.map((length) => ({ tokens: length, sinceUs: 0, dueUs: Infinity }));
        const { take } = batcher.next(waiting, 0);
        const cost = (count: number) => {
          const some = each.slice(0, count);
          return layout === "padded"
            ? Math.max(...some) * count
            : some.reduce((sum, length) => sum + length, 0);
        };
        assert(take === 1 || cost(take) <= tokens);
        assert(take === each.length || cost(take + 1) > tokens);
      },
    ),
  );
});

test("durations are fitted by least squares to the latest 50 batches", () => {
  fc.assert(
    fc.property(
      fc.nat(5_000),
      fc.nat(50_000),
      fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 2, maxLength: 80 }),
      (a, b, sizes) => {
        const fit = new DurationFit();
        for (const size of [3, 9, ...sizes]) fit.add({ size, waitUs: 7, durationUs: 1e9 });
        for (let i = 0; i < 25; i++)
          for (const size of [2, 20]) fit.add({ size, waitUs: size, durationUs: a * size + b });
        assert(Math.abs(fit.perItemUs - a) < 0.01 && Math.abs(fit.baseUs - b) < 0.1);
        assert(Math.abs(fit.meanWaitUs - 11) < 1e-6);
      },
    ),
  );
});

test("a fit is never negative, and says nothing of sizes where there was but one", () => {
  const falling = new DurationFit();
  for (const [size, durationUs] of [
    [1, 900],
    [9, 100],
  ] as const)
    falling.add({ size, waitUs: 0, durationUs });
  assert.deepEqual([falling.perItemUs, falling.baseUs], [0, 500]);
  const steep = new DurationFit();
  for (const [size, durationUs] of [
    [4, 10],
    [6, 1_000],
  ] as const)
    steep.add({ size, waitUs: 0, durationUs });
  assert.deepEqual([steep.perItemUs, steep.baseUs], [101, 0]);
  const single = new DurationFit();
  for (let i = 0; i < 3; i++) single.add({ size: 4, waitUs: 0, durationUs: 80 });
  assert.deepEqual([single.perItemUs, single.baseUs], [0, 80]);
});
