import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import { PREFILL_CHUNK_TOKENS } from "../../src/worker/llama/prefill.ts";
import type { WorkerClient } from "./harness.ts";
import { eventually, MODEL, putTogether, SILENT, startWorker } from "./harness.ts";

const LONG = { max_tokens: 450, ignore_eos: true };
const EVALUATED = "headgate_worker_evaluated_tokens_total";

const isIdle = (worker: WorkerClient) => async () => (await worker.health())["active_sessions"] === 0;

void describe("cancel", () => {
  void test("evaluates at most one more token, and frees the slot", async () => {
    await using worker = await startWorker({ model: { slots: 1 } });
    const reader = await worker.open({ ...LONG, credit: 20 });
    const events = await reader.until("credit");
    const before = await worker.metric(EVALUATED);
    // The top-up starts it again; the cancellation comes while it runs.
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 450 });
    const cancelled = await worker.call("DELETE", `/worker/generate/${reader.id}`);
    assert.deepEqual([cancelled.status, cancelled.body], [200, { cancelled: true, freed: false }]);
    events.push(...(await reader.rest()).events);
    const { done, ids } = putTogether(events);
    assert.equal(done?.finish_reason, "cancelled");
    assert.equal(done.usage.completion_tokens, ids.length);
    const evaluated = (await worker.metric(EVALUATED)) - before;
    // Each token given out after the halt took one evaluation, and one may have been under way.
    assert.ok(evaluated - (ids.length - 20) <= 1, `${evaluated} evaluated for ${ids.length - 20}`);
    assert.equal(await worker.metric(EVALUATED), before + evaluated);
    assert.ok((await worker.generate()).done, "the only slot is free");
  });

  void test("while halted evaluates nothing more", async () => {
    await using worker = await startWorker();
    const reader = await worker.open({ ...LONG, credit: 5 });
    await reader.until("credit");
    const before = await worker.metric(EVALUATED);
    await worker.call("DELETE", `/worker/generate/${reader.id}`);
    assert.equal((await reader.rest()).done?.finish_reason, "cancelled");
    assert.equal(await worker.metric(EVALUATED), before);
  });

  void test("during a long prompt evaluates at most one more piece of it", async () => {
    const engine = await loadLlamaEngine({
      models: [MODEL],
      engine: { threads: 1 },
      log: SILENT,
      onProgress: () => {},
    });
    const [model] = engine.models;
    assert.ok(model);
    const prompt = Array.from({ length: 500 }, (_, index) => 10 + ((index * 7) % 1_000));
    const [source] =
      model.open({
        prompt,
        samplings: [GREEDY],
        session: null,
        ignoreEnd: true,
        logprobs: null,
        grammar: null,
        generated: [],
        stateSource: null,
      }) ?? [];
    assert.ok(source);
    const token = source.next();
    await eventually(() => model.counters.evaluatedTokens > 0);
    const before = model.counters.evaluatedTokens;
    const closed = source.close();
    assert.equal(await token, null);
    await closed;
    const evaluated = model.counters.evaluatedTokens - before;
    assert.ok(before < prompt.length, "it was not evaluated in one go");
    assert.ok(evaluated <= PREFILL_CHUNK_TOKENS, `${evaluated} more were evaluated`);
    await engine.close();
  });

  void test("of nobody is a 404", async () => {
    await using worker = await startWorker();
    assert.equal((await worker.call("DELETE", "/worker/generate/nobody")).status, 404);
  });

  void test("is what closing the connection does: running, halted, and before the first token", async () => {
    await using worker = await startWorker({ model: { slots: 1 } });
    for (const credit of [450, 5, 0]) {
      const reader = await worker.open({ ...LONG, credit });
      await reader.next();
      reader.leave();
      await eventually(isIdle(worker));
      assert.equal((await worker.health())["kv_cache_bytes"], 0);
    }
    assert.ok((await worker.generate()).done);
  });
});

const GREEDY = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  logitBias: new Map<number, number>(),
};
