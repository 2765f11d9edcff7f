import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { ownerOf } from "../keys/owner.ts";
import { TestGateway } from "./running-gateway.ts";

describe("a proxy on this machine", () => {
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

  for (const [name, value] of [
    ["x-forwarded-for", "203.0.113.9"],
    ["forwarded", "for=203.0.113.9"],
    ["x-real-ip", "203.0.113.9"],
    ["via", "1.1 proxy"],
  ] as const) {
    it(`that says so with ${name} speaks for strangers`, async () => {
      const headers = { [name]: value };
      const statusOf = async (path: string, body?: unknown): Promise<number> => {
        const method = body === undefined ? "GET" : "POST";
        const init = body === undefined ? {} : { body: JSON.stringify(body) };
        return (await fetch(gateway.url + path, { method, headers, ...init })).status;
      };
      assert.equal(await statusOf("/coordinator/health/heartbeat", worker.heartbeat()), 403);
      assert.equal(await statusOf("/coordinator/health/deregister", { worker_id: worker.id }), 403);
      assert.equal(await statusOf("/v1/chat/completions", {}), 401);
      assert.equal(await statusOf("/coordinator/infer", {}), 401);
      for (const page of ["/metrics", "/headgate/status", "/v1/models", "/coordinator/health/workers"]) {
        assert.equal(await statusOf(page), 401, page);
      }
      assert.equal(await statusOf("/healthz"), 200);
    });
  }
});

it("with `keyless: never`, whoever looks needs a key, wherever the call comes from", async () => {
  const owner = ownerOf("acme/alice");
  const keys = { find: (secret: string) => (secret === "secret" ? owner : null), isEmpty: false };
  const gateway = await TestGateway.start({ keys, keyless: "never" });
  assert.equal((await gateway.get("/headgate/status")).status, 401);
  const headers = { authorization: "Bearer secret" };
  assert.equal((await fetch(`${gateway.url}/headgate/status`, { headers })).status, 200);
  await gateway.close();
});
