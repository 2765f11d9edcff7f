import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

describe("a worker that counts more than it was given or gave", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  it("is believed as far as there was a prompt, and as far as it sent tokens", async () => {
    const answer = gateway.post(chatBody({ max_tokens: 5 }));
    const generation = await worker.next();
    generation.started(1_000_000, 2_000_000);
    for (const text of ["a", "b"]) generation.token(text);
    const usage = { prompt_tokens: 1_000_000, cached_tokens: 2_000_000, completion_tokens: 1_000_000 };
    generation.call.event({ type: "done", finish_reason: "stop", usage });
    generation.call.end();
    assert.equal((await answer).status, 200);
    await gateway.quiet();
    const bound = 128 + 16 + 2;
    const { usage: settled, charged } = gateway.settled.at(-1)!;
    assert.deepEqual(settled, { promptTokens: bound, cachedTokens: bound, completionTokens: 2 });
    assert.deepEqual([charged.inputTokens, charged.outputTokens], [bound, 2]);
  });

  it("or that counts what is no number has broken its answer", async () => {
    const answer = gateway.post(chatBody());
    const generation = await worker.next();
    generation.started();
    generation.token("a");
    const usage = { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 1.5 };
    generation.call.event({ type: "done", finish_reason: "stop", usage });
    assert.equal((await answer).status, 502);
  });
});

it("a grant of credit that a worker never answers ends with its generation", async () => {
  const account = "global/local";
  const gateway = await TestGateway.start({
    core: { packetTokens: 8 },
    budgets: [{ account, unit: "output_tokens", window: "total", amount: "1000" }],
  });
  const worker = await FakeWorker.start();
  await worker.register(gateway.url);
  const leave = new AbortController();
  const answer = gateway.client.chat.completions.create(
    { model: "tiny", messages: [{ role: "user", content: "Hi" }], max_tokens: 64, stream: true },
    { signal: leave.signal },
  );
  const generation = await worker.next();
  generation.started();
  for (let i = 0; i < 8; i += 1) generation.token("x");
  const grant = await worker.server.next();
  assert.match(grant.path, /\/credit$/);
  await answer;
  leave.abort();
  assert.equal(await grant.closed, false);
  assert.equal(await generation.call.closed, false);
  await gateway.close();
  await worker.close();
});
