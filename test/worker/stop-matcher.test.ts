import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { StopMatcher } from "../../src/worker/stop-matcher.ts";

/** Few letters, so that stop strings and their beginnings are frequent. */
const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 20 });
const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }), {
  maxLength: 3,
});

function feed(pieces: readonly string[], given: readonly string[]): { text: string; matched: boolean } {
  const matcher = new StopMatcher(given);
  const parts = pieces.map((piece) => matcher.push(piece));
  return { text: parts.join("") + matcher.flush(), matched: matcher.matched };
}

void describe("StopMatcher", () => {
  void test("does not depend on how the text is cut into pieces", () => {
    fc.assert(
      fc.property(fc.array(text), stops, (pieces, given) => {
        const whole = pieces.join("");
        assert.deepEqual(feed(pieces, given), feed([whole], given));
        assert.deepEqual(feed(whole.split(""), given), feed([whole], given));
      }),
    );
  });

  void test("without a match loses nothing; with one gives out a beginning that has none", () => {
    fc.assert(
      fc.property(fc.array(text), stops, (pieces, given) => {
        const whole = pieces.join("");
        const result = feed(pieces, given);
        assert.equal(
          result.matched,
          given.some((stop) => whole.includes(stop)),
        );
        if (!result.matched) return assert.equal(result.text, whole);
        assert.ok(whole.startsWith(result.text));
        assert.ok(given.every((stop) => !result.text.includes(stop)));
        assert.ok(given.some((stop) => whole.startsWith(stop, result.text.length)));
      }),
    );
  });

  void test("gives text out as soon as it is certain", () => {
    const matcher = new StopMatcher(["END"]);
    assert.equal(matcher.push("one E"), "one ");
    assert.equal(matcher.push("N"), "");
    assert.equal(matcher.push("E"), "EN");
    assert.equal(matcher.push("ND two"), "");
    assert.ok(matcher.matched);
    assert.equal(matcher.push("three"), "");
  });
});
