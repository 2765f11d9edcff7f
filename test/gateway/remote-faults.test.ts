import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { TokenUsage } from "../../src/core/vocabulary.ts";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { ScriptedServer } from "../fakes/scripted-server.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const CHOICES = [{ index: 0, message: { content: "x" }, finish_reason: "stop" }];
/** Of the prompt in `chatBody`, in bytes and with what a template may add. */
const PROMPT_TOKENS_MAX = 128 + 16 + 2;

function remoteAt(url: string): { name: string; url: string; apiKey: null; models: { big: string } } {
  return { name: "remote", url, apiKey: null, models: { big: "big" } };
}

describe("a remote API that answers nonsense", () => {
  let gateway: TestGateway;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    gateway = await TestGateway.start({
      remotes: [remoteAt(upstream.url)],
      budgets: [{ account: "global/local", unit: "usd", window: "total", amount: String(10 ** 15) }],
    });
  });
  after(async () => {
    // Nothing that was charged is a number that can't be told.
    assert.doesNotMatch(await (await gateway.get("/metrics")).text(), /NaN|-\d+$/m);
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => gateway.quiet());

  const usageOf = (): TokenUsage | undefined => gateway.settled.at(-1)?.usage;

  for (const count of [-1_000_000_000, 3.5, "3", 1e300, 2 ** 53 - 1, null, {}]) {
    it(`is charged by what is known when it counts ${JSON.stringify(count)} tokens`, async () => {
      const details = { cached_tokens: count };
      const usage = { prompt_tokens: count, completion_tokens: count, prompt_tokens_details: details };
      const answer = gateway.post(chatBody({ model: "big", max_tokens: 10 }));
      (await upstream.next()).call.json(200, { choices: CHOICES, usage });
      assert.equal((await answer).status, 200);
      await gateway.quiet();
      assert.deepEqual(usageOf(), {
        promptTokens: PROMPT_TOKENS_MAX,
        cachedTokens: 0,
        completionTokens: 10,
      });

      const stream = gateway.post(chatBody({ model: "big", max_tokens: 10, stream: true }));
      const completion = await upstream.next();
      completion.call.openStream();
      for (const content of ["a", "b"]) completion.chunk({ content });
      completion.call.event({ choices: [], usage });
      completion.done();
      assert.match(await (await stream).text(), /\[DONE\]/);
      await gateway.quiet();
      assert.deepEqual(usageOf(), { promptTokens: PROMPT_TOKENS_MAX, cachedTokens: 0, completionTokens: 2 });
    });
  }

  for (const choices of [null, "x", { 0: {} }, [null], ["x"], [[]]]) {
    it(`has broken its answer when its choices are ${JSON.stringify(choices)}`, async () => {
      const answer = gateway.post(chatBody({ model: "big" }));
      (await upstream.next()).call.json(200, { choices });
      assert.equal((await answer).status, 502);
      await gateway.quiet();
      assert.equal(gateway.settled.at(-1)?.reason, "stream_broken");
      if (choices === null) return;

      const stream = gateway.post(chatBody({ model: "big", stream: true }));
      const { call } = await upstream.next();
      call.openStream();
      call.event({ choices });
      assert.equal((await stream).status, 502);
      await gateway.quiet();
      assert.equal(gateway.settled.at(-1)?.reason, "stream_broken");
    });
  }

  it("may write what it likes where nothing depends on it", async () => {
    const stream = gateway.post(chatBody({ model: "big", stream: true }));
    const completion = await upstream.next();
    completion.call.openStream();
    completion.call.event({ choices: [{ delta: null }, { delta: "x", finish_reason: 7 }], usage: "none" });
    completion.call.event({ choices: [{ delta: [1], text: 5, finish_reason: {} }], usage: [] });
    completion.done();
    assert.match(await (await stream).text(), /\[DONE\]/);
  });
});

describe("a remote API whose connection breaks", () => {
  for (const stream of [false, true]) {
    it(`once it was asked may bill for it: all of the hold is charged, stream: ${stream}`, async () => {
      const upstream = await FakeUpstream.start();
      const gateway = await TestGateway.start({ remotes: [remoteAt(upstream.url)] });
      const answer = gateway.post(chatBody({ model: "big", max_tokens: 10, stream }));
      (await upstream.next()).call.die();
      assert.equal((await answer).status, 502);
      await gateway.quiet();
      const settled = gateway.settled.at(-1);
      assert.equal(settled?.reason, "stream_broken");
      assert.equal(settled?.charged.inputTokens, PROMPT_TOKENS_MAX);
      assert.equal(settled?.charged.outputTokens, 10);
      await gateway.close();
      await upstream.close();
    });
  }

  it("before it could be asked has cost nothing", async () => {
    const server = await ScriptedServer.start();
    await server.close();
    const gateway = await TestGateway.start({ remotes: [remoteAt(server.url)] });
    assert.equal((await gateway.post(chatBody({ model: "big" }))).status, 502);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.reason, "unreachable");
    assert.equal(gateway.settled.at(-1)?.charged.nanoUsd, 0);
    await gateway.close();
  });

  it("or that sends an error once it has accepted the request has broken its answer", async () => {
    const upstream = await FakeUpstream.start();
    const gateway = await TestGateway.start({ remotes: [remoteAt(upstream.url)] });
    const answer = gateway.post(chatBody({ model: "big", max_tokens: 10, stream: true }));
    const { call } = await upstream.next();
    call.openStream();
    call.event({ error: { message: "out of memory" } });
    assert.equal((await answer).status, 502);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.reason, "stream_broken");
    assert.equal(gateway.settled.at(-1)?.charged.outputTokens, 10);
    await gateway.close();
    await upstream.close();
  });
});
