import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import { CountsTable, HELD, POSTED, type Slot } from "../../src/core/budget/counts.ts";
import { add, addSum, type Balance, newBalance } from "../../src/core/budget/sums.ts";

const USD_MAX = 1e15;
const SLOTS = 200;

const charge: fc.Arbitrary<Charge> = fc
  .tuple(fc.integer({ min: -USD_MAX, max: USD_MAX }), fc.nat(1e9), fc.nat(1e9), fc.nat(3))
  .map(([nanoUsd, inputTokens, outputTokens, requests]) => {
    return { ...NOTHING, nanoUsd, inputTokens, cachedTokens: inputTokens, outputTokens, requests };
  });
const step = fc.record({
  place: fc.nat(SLOTS - 1),
  half: fc.constantFrom(POSTED, HELD),
  charge,
  sign: fc.constantFrom(1 as const, -1 as const),
});

/** What the table counts in its rows of numbers is what whole numbers of any size come to. */
test("counts are exact, each in its own slot, and so are their sums", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { counts, slots, expected } = tableOf(SLOTS);
      for (const { place, half, charge: each, sign } of steps) {
        counts.add(slots[place]!, half, each, sign);
        add(half === POSTED ? expected[place]!.posted : expected[place]!.held, each, sign);
      }
      assert.deepEqual(
        slots.map((slot) => counts.balance(slot)),
        expected,
      );
      const all = newBalance();
      for (const { posted, held } of expected) {
        addSum(all.posted, posted);
        addSum(all.held, held);
      }
      assert.deepEqual(counts.balance(counts.sum(slots)), all);
      assert.equal(counts.amount("usd", slots[0]!, HELD), expected[0]!.held.nanoUsd);
    }),
  );
});

test("a slot that was given back is empty when it is taken again", () => {
  const { counts, slots } = tableOf(3);
  for (const slot of slots) counts.add(slot, HELD, { ...NOTHING, nanoUsd: 5, requests: 1 }, 1);
  assert.equal(counts.holdsNothing(slots[1]!), false);
  counts.giveBack(slots[1]!);
  const again = counts.take();
  assert.equal(again, slots[1]);
  assert.deepEqual(counts.balance(again), newBalance());
  assert.equal(counts.holdsNothing(again), true);
  assert.equal(counts.amount("requests", slots[2]!, HELD), 1n);
});

test("what is held is not less than nothing, to the nano-USD", () => {
  const { counts, slots } = tableOf(1);
  counts.add(slots[0]!, HELD, { ...NOTHING, nanoUsd: 1_000_000_000 }, 1);
  counts.add(slots[0]!, HELD, { ...NOTHING, nanoUsd: 1_000_000_000 }, -1);
  assert.equal(counts.isHeldPositive(slots[0]!), true);
  counts.add(slots[0]!, HELD, { ...NOTHING, nanoUsd: 1 }, -1);
  assert.equal(counts.isHeldPositive(slots[0]!), false);
  assert.equal(counts.amount("usd", slots[0]!, HELD), -1n);
});

function tableOf(count: number): { counts: CountsTable; slots: Slot[]; expected: Balance[] } {
  const counts = new CountsTable();
  const slots = Array.from({ length: count }, () => counts.take());
  return { counts, slots, expected: slots.map(newBalance) };
}
