import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { ChatMessage, Engine, EngineModel } from "../../src/worker/engine.ts";
import { PromptTooLongError } from "../../src/worker/engine.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import { loadLlama } from "../../src/worker/llama/backend.ts";
import { Tokenizer } from "../../src/worker/llama/tokenizer.ts";
import { MODEL, SILENT, generateBody, startWorker } from "./harness.ts";

const EVALUATED = "headgate_worker_evaluated_tokens_total";

/** Much more than the context of 512 tokens, each in its own way. */
const FAR_TOO_LONG: Record<string, unknown> = {
  "150,000 messages": {
    messages: Array.from({ length: 150_000 }, (_, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content: "hi",
    })),
  },
  "a message of 9 MB": { messages: [{ role: "user", content: "word ".repeat(1_800_000) }] },
  "a message of special tokens": { messages: [{ role: "user", content: "<|end|>".repeat(1_000_000) }] },
  "a text of special tokens": { text: "<|end|>".repeat(1_000_000) },
  "two million tokens": { tokens: Array(2_000_000).fill(9) },
};

void describe("prompts far longer than the context", () => {
  void test("are refused before anything is evaluated, and another stream goes on", async () => {
    await using worker = await startWorker();
    const stream = await worker.open({ max_tokens: 40, credit: 4, ignore_eos: true });
    await stream.until("credit");
    const evaluated = await worker.metric(EVALUATED);
    for (const [what, prompt] of Object.entries(FAR_TOO_LONG)) {
      const { status, body } = await worker.call("POST", "/worker/generate", generateBody({ prompt }));
      assert.deepEqual([status, body.error.code], [400, "context_length_exceeded"], what);
      assert.match(body.error.message, /\b512\b/);
    }
    assert.equal(await worker.metric(EVALUATED), evaluated);
    await worker.call("POST", `/worker/generate/${stream.id}/credit`, { credit: 40 });
    const { done } = await stream.rest();
    assert.equal(done?.usage.completion_tokens, 40);
  });
});

void describe("Tokenizer", () => {
  const MANY = 100_000;
  let engines: Engine[];
  /** Of one file: `cramped` has the context under test, `roomy` one that every text here fits into. */
  let cramped: EngineModel;
  let roomy: EngineModel;
  before(async () => {
    engines = [await load(512), await load(MANY)];
    const [first, second] = engines.map((engine) => engine.models[0]);
    assert.ok(first && second);
    cramped = first;
    roomy = second;
  });
  after(() => Promise.all(engines.map((engine) => engine.close())));

  const SPECIAL = ["<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"];
  const word = fc.oneof(
    fc.constantFrom(
      ...SPECIAL,
      "<|",
      "|>",
      "<|e",
      "nd|>",
      "<",
      " ",
      "  ",
      "\n",
      "word",
      " Paris",
      "Grüße 你好 🙂",
    ),
    fc.string(),
  );
  const content = fc
    .tuple(fc.array(word), fc.integer({ min: 1, max: 300 }))
    .map(([words, times]) => words.join("").repeat(times).slice(0, 5_000));

  void test("parts are the whole: llama.cpp makes the same of a text at once", async () => {
    const llama = await loadLlama({ gpu: "off", log: SILENT });
    const model = await llama.loadModel({ modelPath: MODEL.path });
    const tokenizer = new Tokenizer({ model, contextTokens: MANY });
    const bos = model.tokens.bos ?? -1;
    try {
      fc.assert(
        fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), (contents) => {
          const text = contents.join("<|end|>");
          const whole: number[] = model.tokenize(text, true);
          const expected = whole[0] === bos ? whole : [bos, ...whole];
          assert.deepEqual(tokenizer.tokens(text), expected);
          const joined = contents.flatMap((one, index) =>
            model.tokenize(one, true, index === 0 ? undefined : "trimLeadingSpace"),
          );
          assert.deepEqual(
            tokenizer.join(contents).slice(-joined.length || undefined),
            joined.length > 0 ? joined : [bos],
          );
        }),
        { numRuns: 100 },
      );
    } finally {
      await llama.dispose();
    }
  });

  void test("a conversation has the tokens of its messages one by one", () => {
    const role = fc.constantFrom("user" as const, "assistant" as const);
    const conversation = fc.array(fc.record({ role, content }), { minLength: 1, maxLength: 8 });
    const [bos, end, , user, assistant] = SPECIAL.map((text) => roomy.tokenize(text).at(-1));
    const withoutFrame = (message: ChatMessage): number[] => {
      const tokens = roomy.renderChat([{ ...message, role: "user" }]);
      assert.deepEqual([tokens[0], tokens[1], tokens.at(-2), tokens.at(-1)], [bos, user, end, assistant]);
      return tokens.slice(2, -2);
    };
    fc.assert(
      fc.property(conversation, (messages) => {
        const expected = messages.flatMap((message) => [
          message.role === "user" ? user : assistant,
          ...withoutFrame(message),
          end,
        ]);
        assert.deepEqual(roomy.renderChat(messages), [bos, ...expected, assistant]);
      }),
      { numRuns: 50 },
    );
  });

  void test("a prompt that just fits is taken, one token more is not", () => {
    const { length } = roomy.tokenize("<|end|>");
    assert.equal(cramped.tokenize("<|end|>".repeat(513 - length)).length, 512);
    assert.throws(() => cramped.tokenize("<|end|>".repeat(514)), PromptTooLongError);
  });

  void test("text without a place to cut is refused by its beginning; what fits is not", () => {
    assert.throws(() => cramped.tokenize("x".repeat(5_000_000)), PromptTooLongError);
    const fitting = "What is the capital of France? ".repeat(40);
    assert.deepEqual(cramped.tokenize(fitting), roomy.tokenize(fitting));
  });

  void test("no token stands for more bytes than the longest", () => {
    const { vocabulary, longestTokenBytes } = cramped.description;
    for (let token = 0; token < vocabulary; token++) {
      const text = cramped.detokenizer([]).push(token);
      assert.ok(Buffer.byteLength(text) <= longestTokenBytes, `token ${token}`);
    }
  });
});

function load(contextTokens: number): Promise<Engine> {
  return loadLlamaEngine({
    models: [{ ...MODEL, contextTokens, slots: 1 }],
    engine: { threads: 1 },
    log: SILENT,
    onProgress: () => {},
  });
}
