import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { TestGateway } from "../gateway/running-gateway.ts";
import { answerOf, eventsOf, infer } from "./infer-client.ts";

const BODY = { prompt: "Hi", model: "tiny", max_tokens: 16 };

describe("POST /coordinator/infer", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    const models = { rented: "upstream-name" };
    gateway = await TestGateway.start({
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models }],
      limits: { bodyBytesMax: 4_096 },
    });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
    await upstream.close();
  });
  beforeEach(() => gateway.quiet());

  it("streams the answer to a user's chat message, and says which event is the last", async () => {
    const answer = infer(gateway.url, BODY);
    const generation = await worker.next();
    assert.deepEqual(generation.request["prompt"], { messages: [{ role: "user", content: "Hi" }] });
    assert.equal(generation.request["max_tokens"], 16);
    generation.say("Hel", "lo\n\n", "é 🦊");
    assert.equal(await answerOf(await answer), "Hello\n\né 🦊");
  });

  it("streams each token when it is there", async () => {
    const answer = infer(gateway.url, BODY);
    const generation = await worker.next();
    generation.started();
    generation.token("one");
    const events = eventsOf(await answer);
    assert.deepEqual((await events.next()).value, { token: "one", seq: 0, finished: false });
    generation.token("two");
    assert.deepEqual((await events.next()).value, { token: "two", seq: 1, finished: false });
    generation.done();
    assert.deepEqual((await events.next()).value, { token: "", seq: 2, finished: true });
    assert.equal((await events.next()).done, true);
  });

  it("says so when the answer is empty", async () => {
    const answer = infer(gateway.url, BODY);
    (await worker.next()).say();
    assert.equal(await answerOf(await answer), "");
  });

  it("asks a remote API in the API's own words, and answers in these", async () => {
    const answer = infer(gateway.url, { ...BODY, model: "rented" });
    const completion = await upstream.next();
    const { model, messages, max_tokens, stream } = completion.call.body;
    assert.deepEqual(
      { model, messages, max_tokens, stream },
      { model: "upstream-name", messages: [{ role: "user", content: "Hi" }], max_tokens: 16, stream: true },
    );
    completion.stream("Hel", "lo");
    assert.equal(await answerOf(await answer), "Hello");
  });

  for (const [what, body] of [
    ["no JSON", "{"],
    ["no object", "[]"],
    ["nothing", ""],
    ["no prompt", { model: "tiny", max_tokens: 1 }],
    ["an empty prompt", { ...BODY, prompt: "" }],
    ["a prompt that is no text", { ...BODY, prompt: ["Hi"] }],
    ["no model", { prompt: "Hi", max_tokens: 1 }],
    ["an empty model", { ...BODY, model: "" }],
    ["no max_tokens", { prompt: "Hi", model: "tiny" }],
    ["max_tokens 0", { ...BODY, max_tokens: 0 }],
    ["half a token in max_tokens", { ...BODY, max_tokens: 1.5 }],
    ["max_tokens as a text", { ...BODY, max_tokens: "16" }],
  ] as const) {
    it(`refuses a body with ${what}`, async () => {
      const response = await infer(gateway.url, body);
      assert.equal(response.status, 400);
      const document = (await response.json()) as Record<string, unknown>;
      assert.deepEqual(Object.keys(document), ["error"]);
      const [field] = /prompt|model|max_tokens/.exec(what) ?? ["JSON"];
      assert.match(document["error"] as string, new RegExp(field));
    });
  }

  it("refuses a model that nobody serves", async () => {
    const response = await infer(gateway.url, { ...BODY, model: "gpt-9" });
    assert.equal(response.status, 404);
    assert.deepEqual(Object.keys((await response.json()) as object), ["error"]);
  });

  it("refuses a page of another site", async () => {
    const headers = { origin: "http://evil.example" };
    const url = `${gateway.url}/coordinator/infer`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(BODY), headers });
    assert.equal(response.status, 403);
    assert.deepEqual(Object.keys((await response.json()) as object), ["error"]);
  });

  it("refuses a body that is too long", async () => {
    const response = await infer(gateway.url, { ...BODY, prompt: "x".repeat(4_096) });
    assert.equal(response.status, 413);
    assert.deepEqual(Object.keys((await response.json()) as object), ["error"]);
  });

  it("says which workers were tried when none could answer", async () => {
    const answer = infer(gateway.url, BODY);
    (await worker.next()).call.json(500, { error: "oops" });
    const response = await answer;
    assert.equal(response.status, 502);
    const { error, tried, reason, ...rest } = (await response.json()) as Record<string, unknown>;
    assert.match(error as string, /oops/);
    assert.deepEqual({ tried, reason, rest }, { tried: ["w1"], reason: "endpoint_error", rest: {} });
  });

  for (const end of ["die", "end"] as const) {
    it(`ends a stream that breaks (${end}) with an explicit error`, async () => {
      const answer = infer(gateway.url, BODY);
      const generation = await worker.next();
      generation.started();
      generation.token("Par");
      const events = eventsOf(await answer);
      assert.equal((await events.next()).value?.token, "Par");
      generation.call[end]();
      const { value: last } = await events.next();
      assert.equal(last?.finished, true);
      assert.equal(last.error?.code, "upstream_failed");
      assert.equal((await events.next()).done, true);
    });
  }

  // Fault 4: a client that disconnects does not stop the generation.
  it("cancels the generation when the client leaves", async () => {
    const answer = infer(gateway.url, BODY);
    const generation = await worker.next();
    generation.started();
    generation.token("Par");
    for await (const _ of eventsOf(await answer)) break;
    assert.equal(await generation.call.closed, false);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
  });

  it("cancels it when the client leaves before the first token, too", async () => {
    const leave = new AbortController();
    const answer = infer(gateway.url, BODY, { signal: leave.signal });
    const generation = await worker.next();
    leave.abort();
    await assert.rejects(answer, { name: "AbortError" });
    assert.equal(await generation.call.closed, false);
  });
});

describe("POST /coordinator/infer with a limit", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    const limit = { account: "global/local", unit: "output_tokens", window: "total", amount: "20" } as const;
    gateway = await TestGateway.start({ budgets: [limit] });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  it("tells whose budget has no room, at the top level", async () => {
    const running = infer(gateway.url, BODY);
    const generation = await worker.next();
    for (const [max_tokens, status, code] of [
      [21, 402, "budget_insufficient"],
      [16, 429, "budget_exhausted"],
    ] as const) {
      const response = await infer(gateway.url, { ...BODY, max_tokens });
      assert.equal(response.status, status);
      assert.equal(response.headers.has("retry-after"), status === 429);
      const { error, ...facts } = (await response.json()) as Record<string, unknown>;
      assert.match(error as string, /global\/local/);
      assert.equal(facts["code"], code);
      assert.equal(facts["account"], "global/local");
      assert.deepEqual(facts["limit"], { unit: "output_tokens", window: "total", amount: "20" });
      assert.equal(facts["needed"], String(max_tokens));
    }
    generation.say("ok");
    assert.equal(await answerOf(await running), "ok");
  });
});

describe("POST /coordinator/infer that waits for long", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    // Streams break their silence after 20 ms: this one must not, before it has something to say.
    gateway = await TestGateway.start({ silenceMs: 20, timeouts: { prefillUs: 200 * MICROS_PER_MILLI } });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  it("has its status in the end", async () => {
    assert.equal((await infer(gateway.url, BODY)).status, 502);
  });
});

describe("POST /coordinator/infer without a worker", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start();
  });
  after(() => gateway.close());

  it("says that there is no capacity, why, and when to ask again", async () => {
    const response = await infer(gateway.url, BODY);
    assert.equal(response.status, 503);
    assert.ok(Number(response.headers.get("retry-after")) > 0);
    const { error, reason } = (await response.json()) as Record<string, unknown>;
    assert.equal(typeof error, "string");
    assert.equal(reason, "no_workers");
  });
});
