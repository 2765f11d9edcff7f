import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { readChatPrompt } from "../../src/exchange/chat-prompt.ts";
import { resolveSamplings, samplingShape } from "../../src/worker/wire.ts";

const MESSAGES = [{ role: "user", content: "Hi" }];

void describe("sampling at the gateway and at the worker", () => {
  void test("the worker takes whatever the gateway lets through", () => {
    const names = fc.constantFrom(...(Object.keys(samplingShape) as (keyof typeof samplingShape)[]));
    const values = fc.oneof(
      fc.constantFrom(-2, -1, 0, 1e-9, 1, 2, 1_000_000),
      fc.double({ min: -3, max: 3, noNaN: true }),
      fc.maxSafeInteger(),
    );
    fc.assert(
      fc.property(fc.dictionary(names, values), (given) => {
        const prompt = readChatPrompt({ messages: MESSAGES, ...given });
        if ("code" in prompt) return;
        resolveSamplings({ given: z.object(samplingShape).parse(prompt.sampling), count: 1 });
      }),
      { numRuns: 500 },
    );
  });

  void test("a repetition penalty of 0, by which nothing can be divided, is refused at the gateway", () => {
    const refused = readChatPrompt({ messages: MESSAGES, repetition_penalty: 0 });
    assert.ok("code" in refused);
    assert.deepEqual(
      [refused.code, refused.param, refused.message],
      [
        "invalid_request",
        "repetition_penalty",
        "`repetition_penalty` must be a number above 0 and at most 2.",
      ],
    );
  });

  void test("a top_p of 0 is taken by both, as greedy", () => {
    const prompt = readChatPrompt({ messages: MESSAGES, top_p: 0, temperature: 1 });
    assert.ok(!("code" in prompt));
    assert.equal(
      resolveSamplings({ given: z.object(samplingShape).parse(prompt.sampling), count: 1 })[0]?.temperature,
      0,
    );
  });
});
