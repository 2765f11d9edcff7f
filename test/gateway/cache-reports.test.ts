import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { TestGateway } from "./running-gateway.ts";

let gateway: TestGateway;
let worker: FakeWorker;
before(async () => {
  gateway = await TestGateway.start();
  worker = await FakeWorker.start();
});
after(async () => {
  await worker.server.close();
  await gateway.close();
});

async function report(sequence: number): Promise<unknown> {
  const cache = { sequence, stored: [], removed: [] };
  const response = await fetch(`${gateway.url}/coordinator/health/heartbeat`, {
    method: "POST",
    body: JSON.stringify(worker.heartbeat({ cache })),
  });
  assert.equal(response.status, 200);
  return ((await response.json()) as { cache?: unknown }).cache;
}

test("a worker is asked for all of its cache where an account of changes is missing", async () => {
  assert.equal(await report(4), "all");
  assert.equal(await report(0), undefined);
  assert.equal(await report(1), undefined);
  assert.equal(await report(3), "all");
  assert.equal(await report(4), "all");
  assert.equal(await report(0), undefined);
  assert.equal(await report(1), undefined);
});
