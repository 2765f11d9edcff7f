import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

describe("the coordinator", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakeWorker.start();
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  async function json(path: string): Promise<Record<string, unknown>> {
    return (await (await gateway.get(path)).json()) as Record<string, unknown>;
  }

  function report(body: object, headers: Record<string, string> = {}): Promise<Response> {
    const url = `${gateway.url}/coordinator/health/heartbeat`;
    return fetch(url, { method: "POST", body: JSON.stringify(body), headers });
  }

  it("is alive and not ready without workers", async () => {
    assert.equal((await gateway.get("/healthz")).status, 200);
    assert.equal(await (await gateway.get("/coordinator/health")).text(), "OK");
    const ready = await gateway.get("/readyz");
    assert.equal(ready.status, 503);
    assert.deepEqual(await ready.json(), { status: "not_ready", reason: "no_healthy_workers" });
    assert.deepEqual(await json("/v1/models"), { object: "list", data: [] });
  });

  for (const [what, changes] of [
    ["has no name", { worker_id: undefined }],
    ["has no address", { worker_url: "not an address" }],
    ["has an address of another kind", { worker_url: "file:///etc/passwd" }],
    ["counts less than nothing", { health: { alive: true, active_sessions: -1, kv_cache_bytes: 0 } }],
    ["is too old", { timestamp: Date.now() - 3_600_000 }],
    ["is from the future", { timestamp: Date.now() + 3_600_000 }],
  ] as const) {
    it(`refuses a report that ${what}`, async () => {
      const response = await report(worker.heartbeat(changes));
      assert.equal(response.status, 400);
      assert.equal(typeof ((await response.json()) as { error: unknown }).error, "string");
      assert.equal((await gateway.get("/readyz")).status, 503);
    });
  }

  it("refuses a report from a page in a browser", async () => {
    const response = await report(worker.heartbeat(), { origin: "http://evil.example" });
    assert.equal(response.status, 403);
  });

  it("is ready with a worker, and lists it and its models", async () => {
    const response = await report(worker.heartbeat());
    assert.deepEqual(await response.json(), { ack: true, supervisor: "test-supervisor" });
    assert.equal((await gateway.get("/readyz")).status, 200);
    const { data } = await gateway.client.models.list();
    assert.deepEqual(
      data.map(({ id, object, owned_by }) => [id, object, owned_by]),
      [
        ["default", "model", "headgate"],
        ["tiny", "model", "headgate"],
      ],
    );
    assert.equal((await gateway.client.models.retrieve("tiny")).id, "tiny");
    await assert.rejects(gateway.client.models.retrieve("gpt-9"), { status: 404, code: "model_not_found" });
    const { workers, counts, total } = await json("/coordinator/health/workers");
    assert.deepEqual({ counts, total }, { counts: { alive: 1, stale: 0, draining: 0, dead: 0 }, total: 1 });
    const [{ id, url, status }] = workers as [{ id: string; url: string; status: string }];
    assert.deepEqual({ id, url, status }, { id: "w1", url: worker.server.url, status: "alive" });
    assert.equal((await json("/coordinator/health/workers/available"))["count"], 1);
    assert.equal((await json("/headgate/status"))["draining"], false);
  });

  it("goes on using the address it knows after a report it refuses", async () => {
    await report(worker.heartbeat({ timestamp: 0, worker_url: "http://127.0.0.1:9" }));
    const answer = gateway.post(chatBody());
    (await worker.next()).say("ok");
    assert.equal((await answer).status, 200);
  });

  it("counts what happened, without labels that clients invent", async () => {
    await gateway.post(chatBody({ model: "invented-by-a-client" }));
    await gateway.post("no json");
    const response = await gateway.get("/metrics");
    const text = await response.text();
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0.0.4/);
    assert.match(text, /headgate_requests_total\{model="tiny",outcome="completed",code=""\} 1/);
    assert.match(
      text,
      /headgate_requests_total\{model="unknown",outcome="failed",code="model_not_found"\} 1/,
    );
    assert.match(text, /headgate_refusals_total\{code="invalid_request"\} 1/);
    assert.match(text, /headgate_stage_seconds_count\{stage="stream"\} 1/);
    assert.match(text, /headgate_ttft_seconds_count 1/);
    assert.match(text, /headgate_tokens_total\{kind="prompt"\} 5/);
    assert.match(text, /headgate_workers\{status="alive"\} 1/);
    assert.match(text, /headgate_worker_in_flight\{worker="w1"\} 0/);
    assert.doesNotMatch(text, /invented/);
  });

  it("forgets a worker that says good-bye", async () => {
    const url = `${gateway.url}/coordinator/health/deregister`;
    const body = JSON.stringify({ worker_id: "w1", epoch: "1" });
    assert.equal((await fetch(url, { method: "POST", body })).status, 200);
    assert.equal((await gateway.get("/readyz")).status, 503);
    assert.deepEqual((await json("/coordinator/health/workers"))["workers"], []);
  });
});
