import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FakePrefillDecodeWorker } from "../fakes/fake-prefill-decode-worker.ts";
import { TestGateway } from "../gateway/running-gateway.ts";

const HOUR_MS = 3_600_000;

describe("a worker that knows nothing of Headgate", () => {
  let gateway: TestGateway;
  let worker: FakePrefillDecodeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakePrefillDecodeWorker.start();
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  async function json(path: string): Promise<Record<string, unknown>> {
    return (await (await gateway.get(path)).json()) as Record<string, unknown>;
  }

  function report(body: unknown): Promise<Response> {
    const url = `${gateway.url}/coordinator/health/heartbeat`;
    return fetch(url, { method: "POST", body: JSON.stringify(body) });
  }

  async function counts(): Promise<{ alive: number; stale: number; draining: number; dead: number }> {
    return (await json("/coordinator/health/workers"))["counts"] as Awaited<ReturnType<typeof counts>>;
  }

  for (const [what, timestamp] of [
    ["an hour old", Date.now() - HOUR_MS],
    ["an hour early", Date.now() + HOUR_MS],
    ["in words", "now"],
    ["missing", undefined],
    ["null", null],
  ] as const) {
    it(`is refused when its timestamp is ${what}`, async () => {
      const response = await report(worker.heartbeat({ timestamp }));
      assert.equal(response.status, 400);
      assert.deepEqual(await response.json(), { error: "Stale or invalid timestamp" });
      assert.equal((await counts()).alive, 0);
    });
  }

  for (const [field, changes] of [
    ["worker_id", { worker_id: "" }],
    ["worker_url", { worker_url: "ftp://127.0.0.1" }],
    ["health", { health: undefined }],
    ["health.alive", { health: { active_sessions: 0, kv_cache_bytes: 0 } }],
    ["health.active_sessions", { health: { alive: true, active_sessions: "2", kv_cache_bytes: 0 } }],
  ] as const) {
    it(`is refused without a proper ${field}, by its name`, async () => {
      const response = await report(worker.heartbeat(changes));
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as { error: string };
      assert.ok(error.startsWith(`${field}: `), error);
    });
  }

  it("joins with its first report, and is listed with what it said", async () => {
    const asked = Date.now();
    const health = { alive: true, active_sessions: 2, kv_cache_bytes: 1_024, uptime: 5 };
    const response = await report(worker.heartbeat({ health, version: "0.1" }));
    assert.equal(response.status, 200);
    assert.equal(((await response.json()) as { ack: unknown }).ack, true);
    assert.deepEqual(await counts(), { alive: 1, stale: 0, draining: 0, dead: 0 });
    const { workers, total } = await json("/coordinator/health/workers");
    assert.equal(total, 1);
    const [listed] = workers as [{ health: Record<string, unknown>; lastHeartbeat: number }];
    assert.deepEqual(
      { ...listed, health: listed.health["active_sessions"], lastHeartbeat: listed.lastHeartbeat >= asked },
      { id: "foreign", url: worker.server.url, health: 2, lastHeartbeat: true, status: "alive" },
    );
    const available = await json("/coordinator/health/workers/available");
    assert.equal(available["count"], 1);
    assert.deepEqual(available["workers"], workers);
    assert.equal(await (await gateway.get("/coordinator/health")).text(), "OK");
    assert.equal((await gateway.get("/readyz")).status, 200);
  });

  it("serves any model, which is no model's name", async () => {
    assert.deepEqual(await json("/v1/models"), { object: "list", data: [] });
    assert.equal((await gateway.get("/v1/models/*")).status, 404);
  });

  it("is given nothing while it says that it is not alive, and comes back", async () => {
    const health = { alive: false, active_sessions: 0, kv_cache_bytes: 0 };
    assert.equal((await report(worker.heartbeat({ health }))).status, 200);
    assert.deepEqual(await counts(), { alive: 0, stale: 0, draining: 1, dead: 0 });
    assert.deepEqual(await json("/coordinator/health/workers/available"), { workers: [], count: 0 });
    await worker.register(gateway.url);
    assert.equal((await counts()).alive, 1);
  });

  it("is not undone by a report that was overtaken", async () => {
    await worker.register(gateway.url, { timestamp: Date.now() });
    const health = { alive: false, active_sessions: 0, kv_cache_bytes: 0 };
    const response = await report(worker.heartbeat({ health, timestamp: Date.now() - 5_000 }));
    assert.equal(response.status, 400);
    assert.equal((await counts()).alive, 1);
  });

  it("may not pretend that any model is the name of one", async () => {
    const models = [{ model: "*", context_tokens: 1, slots: 1, kv_bytes_per_token: 0 }];
    const response = await report(worker.heartbeat({ models }));
    assert.equal(response.status, 400);
  });
});
