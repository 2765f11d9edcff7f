import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WorkerClient } from "./harness.ts";
import { generateBody, GREEDY, startWorker } from "./harness.ts";

const QUESTIONS = ["France", "Germany", "Italy", "Japan", "Peru", "Kenya"].map(
  (country) => `What is the capital of ${country}?`,
);

const LONG = { max_tokens: 100, ignore_eos: true };

function asking(content: string): Record<string, unknown> {
  return { max_tokens: 24, prompt: { messages: [{ role: "user", content }] } };
}

function sampled(seed: number): Record<string, unknown> {
  return { max_tokens: 40, ignore_eos: true, sampling: { temperature: 1.5, seed } };
}

void describe("POST /worker/generate", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker({ model: { slots: 8 } });
  });
  after(() => worker.close());

  void test("tells that it started, then each token in order, then that it is done", async () => {
    const { events, ids, started, done } = await worker.generate({ max_tokens: 8, ignore_eos: true });
    assert.equal(events[0]?.type, "started");
    assert.equal(events.at(-1)?.type, "done");
    assert.ok((started?.prompt_tokens ?? 0) > 0);
    assert.equal(ids.length, 8);
    let seq = 0;
    for (const event of events) {
      if (event.type !== "tokens") continue;
      assert.equal(event.seq, seq);
      seq += event.ids.length;
    }
    assert.deepEqual(done, {
      type: "done",
      finish_reason: "length",
      usage: {
        prompt_tokens: started?.prompt_tokens,
        cached_tokens: started?.cached_tokens,
        completion_tokens: 8,
      },
    });
  });

  void test("ends with stop when the model ends its answer", async () => {
    const { done, ids } = await worker.generate({ max_tokens: 200 });
    assert.equal(done?.finish_reason, "stop");
    assert.equal(done.usage.completion_tokens, ids.length);
  });

  void test("goes on past the end of the answer when asked to", async () => {
    const { done } = await worker.generate({ max_tokens: 200, ignore_eos: true });
    assert.equal(done?.finish_reason, "length");
  });

  void test("answers at most as much as the context holds", async () => {
    const { done, started } = await worker.generate({ max_tokens: 100_000, ignore_eos: true });
    assert.equal(done?.finish_reason, "length");
    assert.equal((started?.prompt_tokens ?? 0) + done.usage.completion_tokens, 512);
  });

  void test("takes a prompt as text, as tokens and as messages", async () => {
    const messages = await worker.generate();
    const tokens = await worker.generate({ prompt: { tokens: [5, 6, 7] } });
    const text = await worker.generate({ prompt: { text: "Hello" } });
    assert.ok(messages.done && tokens.done && text.done);
    assert.equal(tokens.started?.prompt_tokens, 3);
  });

  void test("runs several sequences at the same time, each with exactly its own answer", async () => {
    const alone: string[] = [];
    for (const question of QUESTIONS) alone.push((await worker.generate(asking(question))).text);
    // Long prompts begin while others answer, so that batches hold pieces and single tokens.
    const long = asking("Tell me a long story about a fox named Lila. ".repeat(12));
    for (let round = 0; round < 5; round++) {
      const answers = QUESTIONS.map((question) => worker.generate(asking(question)));
      const stories = [worker.generate(long), worker.generate(long)];
      const texts = (await Promise.all(answers)).map((answer) => answer.text);
      await Promise.all(stories);
      assert.deepEqual(texts, alone);
    }
  });

  void test("a seed repeats an answer, another seed gives another", async () => {
    const first = await worker.generate(sampled(7));
    const second = await worker.generate(sampled(7));
    const other = await worker.generate(sampled(8));
    assert.deepEqual(first.ids, second.ids);
    assert.notDeepEqual(first.ids, other.ids);
  });

  void test("seeds of any sign and size are taken, and none at all", async () => {
    for (const seed of [-1, 0, 0xff_ff_ff_ff, Number.MAX_SAFE_INTEGER, null]) {
      const { done } = await worker.generate({ sampling: { temperature: 1, seed } });
      assert.ok(done);
    }
  });

  void test("without a seed, answers differ", async () => {
    const body = { max_tokens: 40, ignore_eos: true, sampling: { temperature: 2 } };
    const answers = await Promise.all([worker.generate(body), worker.generate(body)]);
    assert.notDeepEqual(answers[0].ids, answers[1].ids);
  });

  void test("top_k of 1, and a top_p and min_p that leave one token, are greedy", async () => {
    const greedy = await worker.generate({ max_tokens: 24 });
    for (const narrow of [{ top_k: 1 }, { top_p: 1e-9 }, { top_p: 0 }, { min_p: 1 }]) {
      const { ids } = await worker.generate({ max_tokens: 24, sampling: { temperature: 1, ...narrow } });
      assert.deepEqual(ids, greedy.ids);
    }
  });

  void test("penalties make an answer more varied, and negative ones less", async () => {
    const penalties = [
      [{ frequency_penalty: 2 }, { frequency_penalty: -2 }],
      [{ presence_penalty: 2 }, { presence_penalty: -2 }],
      [{ repetition_penalty: 10 }, { repetition_penalty: 0.1 }],
    ];
    for (const [more, less] of penalties) {
      const varied = await worker.generate({ ...LONG, sampling: { ...GREEDY, ...more } });
      const repeating = await worker.generate({ ...LONG, sampling: { ...GREEDY, ...less } });
      assert.ok(new Set(varied.ids).size > new Set(repeating.ids).size, JSON.stringify(more));
    }
  });

  void test("refuses what it does not understand, and says where", async () => {
    const wrong: [Record<string, unknown>, number, string, string | null][] = [
      [{ model: "unheard-of" }, 404, "model_not_found", "model"],
      [{ max_tokens: 0 }, 400, "invalid_request", "max_tokens"],
      [{ max_tokens: 1.5 }, 400, "invalid_request", "max_tokens"],
      [{ credit: -1 }, 400, "invalid_request", "credit"],
      [{ sampling: { temperature: "hot" } }, 400, "invalid_request", "sampling.temperature"],
      [{ prompt: { messages: [] } }, 400, "invalid_request", "prompt.messages"],
      [{ prompt: { tokens: [1_000_000] } }, 400, "invalid_request", "prompt.tokens"],
      [{ prompt: { tokens: Array(600).fill(5) } }, 400, "context_length_exceeded", "prompt"],
    ];
    for (const [body, status, code, param] of wrong) {
      const answer = await worker.call("POST", "/worker/generate", generateBody(body));
      assert.deepEqual([answer.status, answer.body.error.code], [status, code], JSON.stringify(body));
      if (code !== "invalid_request" || param !== "prompt.messages") {
        assert.equal(answer.body.error.param, param);
      }
    }
    const broken = await worker.call("POST", "/worker/generate", "{ not json");
    assert.equal(broken.status, 400);
  });

  void test("refuses a second generation with the id of a running one", async () => {
    const halted = await worker.open({ max_tokens: 9, credit: 0 });
    const again = await worker.call("POST", "/worker/generate", generateBody({ id: halted.id }));
    assert.equal(again.status, 400);
    assert.equal(again.body.error.param, "id");
    halted.leave();
  });
});
