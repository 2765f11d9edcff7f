import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readCompletionRequest } from "../../src/exchange/completion-request.ts";
import { readPrompt } from "../../src/exchange/read-prompt.ts";

function read(body: object): ReturnType<typeof readPrompt> {
  const asked = readCompletionRequest(Buffer.from(JSON.stringify(body)));
  return "code" in asked ? asked : readPrompt(asked);
}

describe("a completion request", () => {
  it("never makes the reader throw, whatever JSON it is", () => {
    fc.assert(fc.property(fc.json(), (body) => void readCompletionRequest(Buffer.from(body))));
    const names = "model prompt stream n stop temperature logprobs logit_bias best_of echo suffix max_tokens";
    const changes = fc.dictionary(fc.constantFrom(...names.split(" ")), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(fc.property(changes, (document) => void read({ model: "tiny", prompt: "x", ...document })));
  });

  it("bounds its prompt by bytes, or by the tokens it was given", () => {
    const prompt = fc.oneof(
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.array(fc.nat(), { minLength: 1 }),
      fc.array(fc.array(fc.nat(), { minLength: 1 }), { minLength: 1, maxLength: 1 }),
    );
    fc.assert(
      fc.property(prompt, (given) => {
        const asked = readCompletionRequest(Buffer.from(JSON.stringify({ model: "tiny", prompt: given })));
        assert.ok(!("code" in asked));
        const tokens = typeof given === "string" ? Buffer.byteLength(given) : given.flat().length;
        assert.equal(asked.promptTokensMax, tokens + 16);
      }),
    );
  });

  it("is sent to the worker in the worker's words", () => {
    const prompt = read({
      model: "tiny",
      prompt: ["Once"],
      stop: ".",
      logprobs: 0,
      logit_bias: { "5": -100 },
    });
    assert.deepEqual(prompt, {
      input: { text: "Once" },
      sampling: {},
      stop: ["."],
      ignoreEos: false,
      logitBias: { "5": -100 },
      grammar: null,
      topLogprobs: 0,
      toolCalls: "none",
    });
  });
});
