import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { kvBytesPerToken, sessionKvBytes } from "../../src/core/fleet/kv.ts";
import { generateBody, startWorker } from "./harness.ts";

/** Of the model under test: 2 layers, 1 KV head, 32 numbers each for key and value, F16. */
const BYTES_PER_TOKEN = kvBytesPerToken({
  layers: 2,
  kvHeads: 1,
  keyLength: 32,
  valueLength: 32,
  keyBytes: 2,
  valueBytes: 2,
});

void describe("limits", () => {
  void test("what a generation may come to hold is counted by the shared formula, and freed at its end", async () => {
    await using worker = await startWorker();
    const reader = await worker.open({ max_tokens: 100, credit: 1, ignore_eos: true });
    const [started] = await reader.until("credit");
    assert.ok(started?.type === "started");
    const health = await worker.health();
    const expected = sessionKvBytes({
      promptTokens: started.prompt_tokens,
      maxTokens: 100,
      contextTokens: 512,
      bytesPerToken: BYTES_PER_TOKEN,
    });
    assert.equal(health["kv_cache_bytes"], expected);
    assert.equal(health["active_sessions"], 1);
    assert.equal(await worker.metric("vllm:num_requests_running"), 1);
    assert.equal(await worker.metric("vllm:kv_cache_usage_perc"), expected / (4 * 512 * BYTES_PER_TOKEN));
    await worker.call("DELETE", `/worker/generate/${reader.id}`);
    await reader.rest();
    const after = await worker.health();
    assert.deepEqual([after["kv_cache_bytes"], after["active_sessions"]], [0, 0]);
  });

  void test("sessions: one more than allowed is refused", async () => {
    await using worker = await startWorker({ limits: { sessionsMax: 2 } });
    const readers = [await worker.open({ credit: 0 }), await worker.open({ credit: 0 })];
    await refused(worker, {}, "max_sessions_exceeded");
    readers[0]?.leave();
    await worker.call("DELETE", `/worker/generate/${readers[1]?.id}`);
    await readers[1]?.rest();
    assert.ok((await worker.generate()).done);
  });

  void test("slots: one more than the model has is refused", async () => {
    await using worker = await startWorker({ model: { slots: 1 } });
    const reader = await worker.open({ credit: 0 });
    await refused(worker, {}, "max_sessions_exceeded");
    reader.leave();
  });

  void test("KV cache of one session", async () => {
    await using worker = await startWorker({ limits: { sessionKvBytesMax: 100 * BYTES_PER_TOKEN } });
    await refused(worker, { max_tokens: 400, credit: 400 }, "session_kv_cache_too_large");
    assert.ok((await worker.generate({ max_tokens: 10 })).done);
  });

  void test("KV cache of all sessions, over which idle KV gives way", async () => {
    await using worker = await startWorker({ limits: { kvBytesMax: 200 * BYTES_PER_TOKEN } });
    const body = { prompt: { tokens: Array(50).fill(9) }, max_tokens: 50, credit: 0 };
    const first = await worker.open(body);
    const second = await worker.open(body);
    await refused(worker, body, "total_kv_cache_exceeded");
    for (const reader of [first, second]) {
      await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 50 });
      await reader.rest();
    }
    assert.ok(((await worker.health())["idle_kv_cache_bytes"] as number) > 0);
    const large = { prompt: { tokens: Array(100).fill(9) }, max_tokens: 100, ignore_eos: true };
    assert.ok((await worker.generate(large)).done);
    assert.ok(((await worker.health())["idle_kv_cache_bytes"] as number) <= 200 * BYTES_PER_TOKEN);
  });

  void test("heartbeat and health name the figures that the supervisor computes with", async () => {
    await using worker = await startWorker({ limits: { sessionsMax: 7 } });
    const health = await worker.health();
    const [model] = health["models"] as Record<string, unknown>[];
    assert.deepEqual(
      [model?.["model"], model?.["context_tokens"], model?.["slots"], model?.["kv_bytes_per_token"]],
      ["tiny", 512, 4, BYTES_PER_TOKEN],
    );
    assert.deepEqual(health["limits"], {
      sessions_max: 7,
      session_kv_bytes_max: 512 * 1024 * 1024,
      kv_bytes_max: 8 * 1024 * 1024 * 1024,
    });
  });
});

async function refused(
  worker: Awaited<ReturnType<typeof startWorker>>,
  overrides: Record<string, unknown>,
  reason: string,
): Promise<void> {
  const { status, body } = await worker.call("POST", "/worker/generate", generateBody(overrides));
  assert.deepEqual([status, body.reason], [503, reason]);
  assert.equal(typeof body.error, "string");
}
