import assert from "node:assert/strict";
import { test } from "node:test";
import { busyText, quietMoment } from "../../bench/validate/live/quiet.ts";

test("a machine that is quiet enough is waited for no longer than one look", async () => {
  const { isQuiet, busy } = await quietMoment({ busyMax: 1, waitMsMax: Infinity, lookMs: 1 });
  assert.ok(isQuiet);
  assert.ok(busy >= 0 && busy <= 1);
});

test("one that never is, is given up, with a word about it", async () => {
  const calm = await quietMoment({ busyMax: -1, waitMsMax: 20, lookMs: 5 });
  assert.ok(!calm.isQuiet);
  assert.match(
    busyText(calm),
    /^machine busy \(load [\d.]+\): others kept \d+ % of its \d+ cores busy, after/,
  );
});
