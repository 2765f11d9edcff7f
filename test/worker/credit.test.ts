import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WorkerClient } from "./harness.ts";
import { putTogether, startWorker } from "./harness.ts";

/** Sampled, so that a sampler that began anew would be noticed. */
const SAMPLED = { max_tokens: 60, ignore_eos: true, sampling: { temperature: 1.2, seed: 11 } };

void describe("credit", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker({ timing: { creditTtlMs: 60_000 } });
  });
  after(() => worker.close());

  const grant = (id: string, credit: unknown) =>
    worker.call("POST", `/worker/generate/${id}/credit`, { credit });

  void test("halts exactly when it is used up, with nothing evaluated ahead", async () => {
    const reader = await worker.open({ ...SAMPLED, credit: 10 });
    const { ids, started } = putTogether(await reader.until("credit"));
    assert.equal(ids.length, 10);
    const evaluated = await worker.metric("headgate_worker_evaluated_tokens_total");
    // The last token given out is evaluated only when the next one is asked for.
    const prompt = (started?.prompt_tokens ?? 0) - (started?.cached_tokens ?? 0);
    assert.equal(evaluated, prompt + 9);
    await worker.generate({ max_tokens: 2 });
    reader.leave();
  });

  void test("topped up again and again, it is the same answer as without a halt", async () => {
    const whole = await worker.generate(SAMPLED);
    const reader = await worker.open({ ...SAMPLED, credit: 0 });
    const events = await reader.until("credit");
    for (let credit = 7; credit < 60; credit += 7) {
      // Somebody else's tokens in between must not matter.
      await worker.generate({ max_tokens: 3 });
      assert.equal((await grant(reader.id, credit)).body.credit, credit);
      const part = await reader.until("credit");
      assert.deepEqual(part.at(-1), { type: "credit", used: credit });
      events.push(...part);
    }
    await grant(reader.id, 60);
    events.push(...(await reader.rest()).events);
    const parts = putTogether(events);
    assert.deepEqual(parts.ids, whole.ids);
    assert.equal(parts.text, whole.text);
    assert.equal(parts.done?.finish_reason, "length");
  });

  void test("is absolute: repeating a top-up changes nothing, and none lowers it", async () => {
    const reader = await worker.open({ ...SAMPLED, credit: 5 });
    await reader.until("credit");
    assert.equal((await grant(reader.id, 8)).body.credit, 8);
    const more = putTogether(await reader.until("credit"));
    assert.equal(more.ids.length, 3);
    assert.equal((await grant(reader.id, 8)).body.credit, 8);
    assert.equal((await grant(reader.id, 2)).body.credit, 8);
    await grant(reader.id, 9);
    assert.equal(putTogether(await reader.until("credit")).ids.length, 1);
    reader.leave();
  });

  void test("more credit than max_tokens is no harm", async () => {
    const { ids } = await worker.generate({ max_tokens: 5, credit: 1_000, ignore_eos: true });
    assert.equal(ids.length, 5);
  });

  void test("a top-up for nobody is a 404, one that is no number a 400", async () => {
    assert.equal((await grant("nobody", 5)).status, 404);
    assert.equal((await grant("nobody", "much")).status, 400);
  });
});

void test("a generation that nobody tops up expires, and gives its slot back", async () => {
  await using worker = await startWorker({ timing: { creditTtlMs: 20 }, model: { slots: 1 } });
  const { ids, done } = await worker.generate({ max_tokens: 60, credit: 4, ignore_eos: true });
  assert.equal(ids.length, 4);
  assert.equal(done?.finish_reason, "credit_expired");
  assert.equal(done.usage.completion_tokens, 4);
  assert.ok((await worker.generate()).done);
});
