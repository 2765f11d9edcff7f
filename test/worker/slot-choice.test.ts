import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { SlotView } from "../../src/worker/llama/slot-choice.ts";
import { chooseSlot, reusablePrefix } from "../../src/worker/llama/slot-choice.ts";

const tokens = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 8 });
const prompts = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 8 });
const sessions = fc.option(fc.constantFrom("a", "b"));
const slots: fc.Arbitrary<SlotView[]> = fc.array(
  fc.record({ taken: fc.boolean(), kept: tokens, session: sessions, idleSinceMs: fc.nat(100) }),
  { maxLength: 5 },
);

function slot(overrides: Partial<SlotView>): SlotView {
  return { taken: false, kept: [], session: null, idleSinceMs: 0, ...overrides };
}

void describe("choosing a slot", () => {
  void test("takes a free one whenever there is one, and tells its prefix rightly", () => {
    fc.assert(
      fc.property(slots, prompts, sessions, (given, prompt, session) => {
        const choice = chooseSlot({ slots: given, prompt, session });
        assert.equal(
          choice === null,
          given.every((candidate) => candidate.taken),
        );
        if (choice === null) return;
        const chosen = given[choice.index];
        assert.equal(chosen?.taken, false);
        assert.equal(choice.prefixTokens, reusablePrefix(chosen.kept, prompt));
        assert.ok(choice.prefixTokens < prompt.length);
      }),
    );
  });

  void test("of prefixes that are half of the prompt, the longest wins", () => {
    fc.assert(
      fc.property(slots, prompts, sessions, (given, prompt, session) => {
        const choice = chooseSlot({ slots: given, prompt, session });
        const free = given.filter((candidate) => !candidate.taken);
        const longest = Math.max(0, ...free.map((candidate) => reusablePrefix(candidate.kept, prompt)));
        if (choice !== null && longest * 2 >= prompt.length) assert.equal(choice.prefixTokens, longest);
      }),
    );
  });

  void test("the session's own slot wins among equals", () => {
    const given = [slot({ kept: [1, 2, 3] }), slot({ kept: [1, 2, 3], session: "s" })];
    assert.equal(chooseSlot({ slots: given, prompt: [1, 2, 3, 4], session: "s" })?.index, 1);
    assert.equal(chooseSlot({ slots: given, prompt: [1, 2, 3, 4], session: null })?.index, 0);
  });

  void test("a few shared tokens of the chat template do not cost somebody's conversation", () => {
    const given = [slot({ kept: [1, 2, 9, 9, 9, 9], idleSinceMs: 5 }), slot({})];
    assert.deepEqual(chooseSlot({ slots: given, prompt: [1, 2, 3, 4, 5, 6], session: null }), {
      index: 1,
      prefixTokens: 0,
    });
  });

  void test("without an empty slot, the one idle for the longest time", () => {
    const given = [slot({ kept: [9, 9], idleSinceMs: 7 }), slot({ kept: [8, 8], idleSinceMs: 3 })];
    assert.equal(chooseSlot({ slots: given, prompt: [1, 2, 3], session: null })?.index, 1);
  });
});
