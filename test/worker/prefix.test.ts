import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually, startWorker } from "./harness.ts";

const STORY = "Tell me a long story about a fox named Lila. ";

const chat = (...contents: string[]): object => ({
  messages: contents.map((content, index) => ({ role: index % 2 === 0 ? "user" : "assistant", content })),
});

void describe("KV of ended generations", () => {
  void test("is reused for the longest common beginning, and changes no token", async () => {
    await using worker = await startWorker();
    const body = { prompt: chat(STORY.repeat(8)), max_tokens: 40, ignore_eos: true };
    const cold = await worker.generate(body);
    const warm = await worker.generate(body);
    assert.equal(cold.started?.cached_tokens, 0);
    // All but the last token of the prompt, from which the answer comes.
    assert.equal(warm.started?.cached_tokens, (cold.started?.prompt_tokens ?? 0) - 1);
    assert.equal(warm.done?.usage.cached_tokens, warm.started?.cached_tokens);
    assert.deepEqual(warm.ids, cold.ids);
    assert.equal(await worker.metric("vllm:prefix_cache_hits_total"), warm.started?.cached_tokens);
    assert.equal(
      await worker.metric("vllm:prefix_cache_queries_total"),
      2 * (cold.started?.prompt_tokens ?? 0),
    );
  });

  void test("carries a conversation from turn to turn", async () => {
    await using worker = await startWorker();
    const question = "What is the capital of France?";
    const first = await worker.generate({ prompt: chat(question), session: "s" });
    assert.equal(first.done?.finish_reason, "stop");
    const second = await worker.generate({ prompt: chat(question, first.text, "Thanks!"), session: "s" });
    const usage = first.done.usage;
    assert.ok((second.started?.cached_tokens ?? 0) >= usage.prompt_tokens);
    const cold = await startWorker();
    const alone = await cold.generate({ prompt: chat(question, first.text, "Thanks!") });
    await cold.close();
    assert.deepEqual(second.ids, alone.ids);
  });

  void test("is forgotten after its time", async () => {
    await using worker = await startWorker({ engine: { idleKvTtlMs: 1 } });
    await worker.generate();
    await eventually(async () => (await worker.health())["idle_kv_cache_bytes"] === 0);
    const again = await worker.generate();
    assert.equal(again.started?.cached_tokens, 0);
    assert.ok(again.done);
  });

  void test("is not used by two at the same time", async () => {
    await using worker = await startWorker();
    const body = { prompt: chat(STORY.repeat(4)), max_tokens: 30, ignore_eos: true };
    const alone = await worker.generate(body);
    const both = await Promise.all([worker.generate(body), worker.generate(body)]);
    const cached = both.map((answer) => answer.started?.cached_tokens ?? 0).sort((a, b) => a - b);
    assert.deepEqual(cached, [0, (alone.started?.prompt_tokens ?? 0) - 1]);
  });
});
