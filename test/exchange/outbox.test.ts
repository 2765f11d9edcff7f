import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Outbox } from "../../src/exchange/outbox.ts";

function outboxOf(...pieces: [tokens: number, text: string][]): Outbox {
  const outbox = new Outbox({ attempt: "a", model: "tiny", format: "text" });
  for (const [tokens, text] of pieces) outbox.push({ tokens, text, logprobs: null });
  return outbox;
}

describe("outbox", () => {
  it("gives out what was granted, and what belongs to it", () => {
    const outbox = outboxOf([1, "a"], [0, "\u0301"], [1, "b"]);
    outbox.grant(1);
    assert.equal(outbox.takeGranted(), "a\u0301");
    assert.equal(outbox.takeGranted(), "");
    outbox.grant(1);
    assert.equal(outbox.takeGranted(), "b");
  });

  it("holds a piece back until all of its tokens are granted", () => {
    const outbox = outboxOf([3, "abc"]);
    outbox.grant(2);
    assert.equal(outbox.takeGranted(), "");
    outbox.grant(1);
    assert.equal(outbox.takeGranted(), "abc");
  });

  it("never gives out more tokens than were granted, nor loses or reorders any", () => {
    const step = fc.oneof(
      fc.record({ push: fc.nat({ max: 4 }) }),
      fc.record({ grant: fc.nat({ max: 4 }) }),
      fc.constant({ take: true }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const outbox = outboxOf();
        let pushed = "";
        let taken = "";
        let granted = 0;
        for (const one of steps) {
          if ("push" in one) {
            outbox.push({ tokens: one.push, text: "x".repeat(one.push), logprobs: null });
            pushed += "x".repeat(one.push);
          } else if ("grant" in one) {
            outbox.grant(one.grant);
            granted += one.grant;
          } else {
            taken += outbox.takeGranted();
          }
          assert.ok(taken.length <= granted);
        }
        outbox.grant(pushed.length);
        assert.equal(taken + outbox.takeGranted(), pushed);
      }),
    );
  });
});
