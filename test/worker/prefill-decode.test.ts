import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WorkerClient } from "./harness.ts";
import { eventually, startWorker } from "./harness.ts";

const EVALUATED = "headgate_worker_evaluated_tokens_total";
const QUESTION = "What is the capital of France?";

let sessions = 0;

function prefillBody(
  overrides: Record<string, unknown> = {},
): Record<string, unknown> & { session_id: string } {
  return { session_id: `s${++sessions}`, prompt: QUESTION, model: "tiny", max_tokens: 60, ...overrides };
}

/** The tokens of a whole answer. */
async function decode(worker: WorkerClient, session_id: string, max_tokens = 60): Promise<string[]> {
  const body = JSON.stringify({ session_id, max_tokens });
  const answer = await fetch(`${worker.worker.url}/worker/decode`, { method: "POST", body });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const events = (await answer.text()).split("\n\n").filter((event) => event !== "");
  return events.map((event, index) => {
    const data = JSON.parse(event.replace(/^data: /, "")) as Record<string, unknown>;
    assert.deepEqual(Object.keys(data), ["token", "seq"]);
    assert.equal(data["seq"], index);
    return String(data["token"]);
  });
}

const active = async (worker: WorkerClient) => (await worker.health())["active_sessions"];

void describe("prefill and decode", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker({ model: { slots: 2 } });
  });
  after(() => worker.close());

  void test("evaluates the prompt first, and gives the answer token by token afterwards", async () => {
    const body = prefillBody();
    const evaluated = await worker.metric(EVALUATED);
    const { status, body: answer } = await worker.call("POST", "/worker/prefill", body);
    assert.deepEqual([status, answer], [200, { status: "ok" }]);
    assert.ok((await worker.metric(EVALUATED)) > evaluated);
    assert.equal(await active(worker), 1);
    const asked = await worker.metric(EVALUATED);
    const tokens = await decode(worker, body.session_id);
    assert.ok(tokens.length > 0);
    // The prompt is not evaluated again: a step for each token, and one for the end.
    assert.equal((await worker.metric(EVALUATED)) - asked, tokens.length + 1);
    assert.equal(await active(worker), 0);
    const again = await worker.call("POST", "/worker/decode", { session_id: body.session_id, max_tokens: 5 });
    assert.equal(again.status, 404);
    assert.equal(typeof again.body.error, "string");
  });

  void test("a prompt is what a user says, where the model knows turns", async () => {
    const body = prefillBody();
    await worker.call("POST", "/worker/prefill", body);
    const { body: health } = await worker.call("GET", "/worker/health");
    const asChat = await worker.open({ credit: 0, max_tokens: 60 });
    const { body: both } = await worker.call("GET", "/worker/health");
    // Both set aside what their prompts and 60 tokens need: the same.
    assert.equal(both.kv_cache_bytes, 2 * health.kv_cache_bytes);
    asChat.leave();
    await decode(worker, body.session_id);
    await eventually(async () => (await active(worker)) === 0);
  });

  void test("generates no more than was asked for in either call", async () => {
    for (const [first, second] of [
      [60, 3],
      [3, 60],
    ]) {
      const body = prefillBody({ max_tokens: first, prompt: "Tell me a long story about a fox named Lila." });
      await worker.call("POST", "/worker/prefill", body);
      assert.equal((await decode(worker, body.session_id, second)).length, 3);
      assert.equal(await active(worker), 0);
    }
  });

  void test("a body that is wrong is a 400 with a text", async () => {
    const wrong: [string, unknown][] = [
      ["prefill", {}],
      ["prefill", prefillBody({ prompt: 5 })],
      ["prefill", prefillBody({ max_tokens: 0 })],
      ["prefill", prefillBody({ prompt: "word ".repeat(2_000) })],
      ["prefill", "{"],
      ["decode", {}],
      ["decode", { session_id: "s", max_tokens: "many" }],
    ];
    for (const [call, body] of wrong) {
      const answer = await worker.call("POST", `/worker/${call}`, body);
      assert.deepEqual([answer.status, typeof answer.body.error], [400, "string"], JSON.stringify(body));
    }
  });

  void test("a second session of the same name is refused while the first is there", async () => {
    const body = prefillBody();
    await worker.call("POST", "/worker/prefill", body);
    assert.equal((await worker.call("POST", "/worker/prefill", body)).status, 400);
    await decode(worker, body.session_id);
    assert.equal((await worker.call("POST", "/worker/prefill", body)).status, 200);
    await decode(worker, body.session_id);
  });

  void test("a worker's only model goes by any name", async () => {
    const body = prefillBody({ model: "whatever" });
    assert.equal((await worker.call("POST", "/worker/prefill", body)).status, 200);
    await decode(worker, body.session_id);
  });

  void test("is freed when the one who reads it leaves", async () => {
    const body = prefillBody({ max_tokens: 400, prompt: "Tell me a long story about a fox named Lila." });
    await worker.call("POST", "/worker/prefill", body);
    const abort = new AbortController();
    const answer = await fetch(`${worker.worker.url}/worker/decode`, {
      method: "POST",
      body: JSON.stringify({ session_id: body.session_id, max_tokens: 400 }),
      signal: abort.signal,
    });
    abort.abort();
    await answer.text().catch(() => {});
    await eventually(async () => (await active(worker)) === 0);
  });
});

void describe("sessions that a worker can't take", () => {
  void test("are refused with the reason, and later taken", async () => {
    await using worker = await startWorker({ limits: { sessionsMax: 1 } });
    const first = prefillBody();
    await worker.call("POST", "/worker/prefill", first);
    const refused = await worker.call("POST", "/worker/prefill", prefillBody());
    assert.deepEqual([refused.status, refused.body.reason], [503, "max_sessions_exceeded"]);
    assert.equal(typeof refused.body.error, "string");
    await decode(worker, first.session_id);
    assert.equal((await worker.call("POST", "/worker/prefill", prefillBody())).status, 200);
  });

  void test("for their KV cache, alone or together", async () => {
    await using alone = await startWorker({ limits: { sessionKvBytesMax: 100 } });
    await using together = await startWorker({ limits: { kvBytesMax: 100 } });
    for (const [worker, reason] of [
      [alone, "session_kv_cache_too_large"],
      [together, "total_kv_cache_exceeded"],
    ] as const) {
      const refused = await worker.call("POST", "/worker/prefill", prefillBody());
      assert.deepEqual([refused.status, refused.body.reason], [503, reason]);
    }
  });

  void test("because it drains; what waits is still decoded", async () => {
    const worker = await startWorker();
    const body = prefillBody();
    await worker.call("POST", "/worker/prefill", body);
    const drained = worker.worker.drain({ deadlineMs: 60_000 });
    const refused = await worker.call("POST", "/worker/prefill", prefillBody());
    assert.deepEqual([refused.status, refused.body.reason], [503, "draining"]);
    assert.ok((await decode(worker, body.session_id)).length > 0);
    await drained;
  });

  void test("are freed when nobody decodes them", async () => {
    await using worker = await startWorker({ timing: { sessionTtlMs: 20 } });
    const body = prefillBody();
    await worker.call("POST", "/worker/prefill", body);
    await eventually(async () => (await active(worker)) === 0);
    assert.equal((await worker.call("POST", "/worker/decode", { ...body })).status, 404);
  });

  void test("are freed when the caller leaves during the prompt", async () => {
    // So long that it takes many pieces, between any of which it can end.
    await using worker = await startWorker({ model: { slots: 1, contextTokens: 4_096 } });
    const prompt = "Tell me of Lila. ".repeat(500);
    const abort = new AbortController();
    const left = fetch(`${worker.worker.url}/worker/prefill`, {
      method: "POST",
      body: JSON.stringify(prefillBody({ prompt })),
      signal: abort.signal,
    });
    await eventually(async () => (await active(worker)) === 1);
    abort.abort();
    await assert.rejects(left);
    await eventually(async () => (await active(worker)) === 0);
  });
});
