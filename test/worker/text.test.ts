import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Engine, EngineModel } from "../../src/worker/engine.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import type { WorkerClient } from "./harness.ts";
import { MODEL, SILENT, startWorker } from "./harness.ts";

void describe("stop strings", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker();
  });
  after(() => worker.close());

  const STORY = {
    prompt: { messages: [{ role: "user", content: "Tell me a long story about a fox named Lila." }] },
    max_tokens: 80,
    ignore_eos: true,
  };

  void test("end the answer before their first character, wherever tokens are cut", async () => {
    const { text } = await worker.generate(STORY);
    // Every piece of the text in turn, so that stop strings lie inside, across and along tokens.
    for (let start = 5; start + 9 < text.length; start += 11) {
      const stop = text.slice(start, start + 9);
      const stopped = await worker.generate({ ...STORY, stop: [stop] });
      assert.equal(stopped.text, text.slice(0, text.indexOf(stop)));
      assert.equal(stopped.done?.finish_reason, "stop");
      assert.equal(stopped.done.usage.completion_tokens, stopped.ids.length);
    }
  });

  void test("that only began are given out at the end", async () => {
    const whole = await worker.generate(STORY);
    const stop = `${whole.text.slice(-3)}\u{1F600}`;
    const { text, done } = await worker.generate({ ...STORY, stop: [stop] });
    assert.equal(text, whole.text);
    assert.equal(done?.finish_reason, "length");
  });
});

void describe("detokenizer", () => {
  let engine: Engine;
  let model: EngineModel;
  before(async () => {
    engine = await loadLlamaEngine({
      models: [MODEL],
      engine: { threads: 1 },
      log: SILENT,
      onProgress: () => {},
    });
    const [first] = engine.models;
    assert.ok(first);
    model = first;
  });
  after(() => engine.close());

  const pieces = (tokens: readonly number[]): string[] => {
    const detokenizer = model.detokenizer([]);
    return tokens.map((token) => detokenizer.push(token));
  };

  void test("never cuts a character, and loses none", () => {
    for (const text of ["Grüße aus Köln, 你好! 👩‍👩‍👧 €5", "🙂".repeat(20), "\uFFFD is a character too"]) {
      const tokens = model.tokenize(text).filter((token) => token !== 0);
      const given = pieces(tokens);
      assert.ok(tokens.length > 5);
      assert.equal(given.join(""), text);
      for (const piece of given) assert.ok(piece.isWellFormed());
      if (!text.includes("\uFFFD")) assert.ok(!given.join("").includes("\uFFFD"));
    }
  });

  void test("gives nothing out for the first bytes of a character", () => {
    const tokens = model.tokenize("🙂").filter((token) => token !== 0);
    assert.ok(tokens.length > 1, "the model has no token for it");
    const given = pieces(tokens);
    assert.deepEqual(given.slice(0, -1), Array(tokens.length - 1).fill(""));
    assert.equal(given.at(-1), "🙂");
  });

  void test("an unfinished character at the end is left out, a broken one in the middle is not waited for", () => {
    const face = model.tokenize("🙂").filter((token) => token !== 0);
    const letter = model.tokenize("a").filter((token) => token !== 0);
    assert.equal(pieces([...letter, ...face.slice(0, -1)]).join(""), "a");
    assert.match(pieces([...face.slice(0, -1), ...letter]).join(""), /^\uFFFD+a$/);
  });

  void test("text in and out again is the same for all printable ASCII", () => {
    const text = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("");
    assert.equal(pieces(model.tokenize(text).filter((token) => token !== 0)).join(""), text);
  });
});
