import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const MESSAGES = [{ role: "user" as const, content: "Hi" }];

describe("chat completions through the openai client, served by a remote API", () => {
  let gateway: TestGateway;
  let upstream: FakeUpstream;

  before(async () => {
    upstream = await FakeUpstream.start();
    const models = { big: "big", renamed: "upstream-name" };
    gateway = await TestGateway.start({
      remotes: [{ name: "remote", url: upstream.url, apiKey: "sk-secret", models }],
    });
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => gateway.quiet());

  it("relays the upstream's own document", async () => {
    const answer = gateway.client.chat.completions.create({ model: "big", messages: MESSAGES });
    (await upstream.next()).document("Hello");
    const completion = await answer;
    assert.equal(completion.id, "chatcmpl-upstream");
    assert.equal(completion.choices[0]?.message.content, "Hello");
    await gateway.quiet();
    assert.deepEqual(gateway.settled.at(-1)?.usage, {
      promptTokens: 7,
      cachedTokens: 0,
      completionTokens: 3,
    });
  });

  it("leaves a provider no choice of which ceiling it reads", async () => {
    const [, twice] = await Promise.all([
      (async () => {
        const completion = await upstream.next();
        assert.deepEqual(completion.call.text.match(/"max_tokens":\d+/g), ['"max_tokens":5']);
        assert.doesNotMatch(completion.call.text, /u006e|"n":50/);
        completion.document("Hi");
      })(),
      post(
        gateway.url,
        `{"max_tokens":100000,"\\u006e":50,"model":"big","messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"n":1}`,
      ),
    ]);
    assert.equal(twice.status, 200);
    const shouted = await post(
      gateway.url,
      `{"model":"big","messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"MAX_TOKENS":100000}`,
    );
    assert.equal(shouted.status, 400);
    assert.match(await shouted.text(), /MAX_TOKENS/);
  });

  it("relays the upstream's own stream, without the usage nobody asked for", async () => {
    const [stream] = await Promise.all([
      gateway.client.chat.completions.create({ model: "big", messages: MESSAGES, stream: true }),
      upstream.next().then((completion) => completion.stream("Hel", "lo")),
    ]);
    const chunks = await Array.fromAsync(stream);
    assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "Hello");
    assert.ok(chunks.every(({ id, choices }) => id === "chatcmpl-upstream" && choices.length === 1));
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "stop");
    await gateway.quiet();
    assert.deepEqual(gateway.settled.at(-1)?.usage, {
      promptTokens: 7,
      cachedTokens: 0,
      completionTokens: 2,
    });
  });

  it("relays the usage that was asked for", async () => {
    const [stream] = await Promise.all([
      gateway.client.chat.completions.create({
        model: "big",
        messages: MESSAGES,
        stream: true,
        stream_options: { include_usage: true },
      }),
      upstream.next().then((completion) => completion.stream("Hello")),
    ]);
    const chunks = await Array.fromAsync(stream);
    assert.equal(chunks.at(-1)?.usage?.prompt_tokens, 7);
    assert.equal(chunks.filter(({ usage }) => usage !== null && usage !== undefined).length, 1);
  });

  it("forwards the bytes it was sent when nothing has to change", async () => {
    const body = `{ "model":"big","messages" : [{"role":"user","content":"caf\\u00e9"}],\n "max_tokens": 5 }`;
    const answer = gateway.post(body);
    const { call } = await upstream.next();
    assert.equal(call.text, body);
    assert.equal(call.path, "/v1/chat/completions");
    assert.equal(call.headers.authorization, "Bearer sk-secret");
    call.json(200, { choices: [{ message: { content: "" }, finish_reason: "stop" }] });
    assert.equal((await answer).status, 200);
  });

  it("changes the model's name, the ceiling on tokens and the wish for usage, and nothing else", async () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const body = chatBody({ model: "renamed", stream: true, tools, max_completion_tokens: 9, x: [1e-7] });
    const answer = gateway.post(body);
    const completion = await upstream.next();
    assert.deepEqual(completion.call.body, {
      ...body,
      model: "upstream-name",
      stream_options: { include_usage: true },
    });
    completion.stream("ok");
    await (await answer).text();
  });

  for (const maxTokensName of ["max_tokens", "max_completion_tokens"] as const) {
    it(`declares a ceiling on tokens when the client names none, as ${maxTokensName}`, async () => {
      const models = { big: "big" };
      const other = await TestGateway.start({
        remotes: [{ name: "remote", url: upstream.url, apiKey: null, models, maxTokensName }],
        core: { models: { big: { maxTokensDefault: 77 } } },
      });
      const answer = other.post(chatBody({ model: "big" }));
      const completion = await upstream.next();
      assert.deepEqual(completion.call.body, { ...chatBody({ model: "big" }), [maxTokensName]: 77 });
      completion.document("ok");
      await (await answer).text();
      await other.close();
    });
  }

  it("passes several choices as one call", async () => {
    const answer = gateway.client.chat.completions.create({ model: "big", messages: MESSAGES, n: 2 });
    const { call } = await upstream.next();
    assert.equal(call.body["n"], 2);
    const choices = [0, 1].map((index) => ({
      index,
      message: { content: `${index}` },
      finish_reason: "stop",
    }));
    call.json(200, { choices, usage: { prompt_tokens: 1, completion_tokens: 2 } });
    assert.deepEqual(
      (await answer).choices.map(({ message }) => message.content),
      ["0", "1"],
    );
  });

  it("passes the upstream's refusal of a request on", async () => {
    const answer = gateway.post(chatBody({ model: "big", temperature: 9 }));
    (await upstream.next()).call.json(400, { error: { message: "temperature is too hot", code: null } });
    const response = await answer;
    assert.equal(response.status, 400);
    assert.match(await response.text(), /temperature is too hot/);
  });

  for (const [status, expected] of [
    [401, 502],
    [500, 502],
  ] as const) {
    it(`turns status ${status} into ${expected} when there is nowhere else to go`, async () => {
      const answer = gateway.post(chatBody({ model: "big" }));
      (await upstream.next()).call.json(status, { error: { message: "no" } });
      const response = await answer;
      const { error } = (await response.json()) as { error: { code: string; tried: string[] } };
      assert.equal(response.status, expected);
      assert.equal(error.code, "upstream_failed");
      assert.deepEqual(error.tried, ["remote"]);
    });
  }

  for (const status of [429, 503]) {
    it(`asks again after a while when the upstream is full, status ${status}`, async () => {
      const answer = gateway.post(chatBody({ model: "big" }));
      (await upstream.next()).call.json(status, { error: { message: "too many requests" } });
      (await upstream.next()).document("at last");
      const response = await answer;
      assert.equal(response.status, 200);
      assert.match(await response.text(), /at last/);
    });
  }

  for (const stream of [false, true]) {
    it(`cancels the upstream when the client leaves, before the first byte, stream: ${stream}`, async () => {
      const leave = new AbortController();
      const answer = gateway.client.chat.completions.create(
        { model: "big", messages: MESSAGES, stream },
        { signal: leave.signal },
      );
      const { call } = await upstream.next();
      leave.abort();
      await assert.rejects(answer);
      assert.equal(await call.closed, false);
      await gateway.quiet();
      assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
    });
  }

  it("cancels the upstream when the client leaves in mid-stream", async () => {
    const opened = gateway.client.chat.completions.create({ model: "big", messages: MESSAGES, stream: true });
    const completion = await upstream.next();
    completion.call.openStream();
    completion.chunk({ content: "Hel" });
    const stream = await opened;
    for await (const _ of stream) break;
    assert.equal(await completion.call.closed, false);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
  });

  it("ends with an explicit error when the upstream's stream ends without [DONE]", async () => {
    const opened = gateway.client.chat.completions.create({ model: "big", messages: MESSAGES, stream: true });
    const completion = await upstream.next();
    completion.call.openStream();
    completion.chunk({ content: "Hel" });
    completion.call.end();
    await assert.rejects(Array.fromAsync(await opened), { code: "upstream_failed" });
  });

  it("ends with an explicit error when the upstream sends one", async () => {
    const opened = gateway.client.chat.completions.create({ model: "big", messages: MESSAGES, stream: true });
    const completion = await upstream.next();
    completion.call.openStream();
    completion.chunk({ content: "Hel" });
    completion.call.event({ error: { message: "the GPU is on fire" } });
    await assert.rejects(Array.fromAsync(await opened), /the GPU is on fire/);
  });

  it("closes a stream that runs past its ceiling, and says so", async () => {
    const opened = gateway.client.chat.completions.create({
      model: "big",
      messages: MESSAGES,
      stream: true,
      max_tokens: 2,
    });
    const completion = await upstream.next();
    completion.call.openStream();
    for (const content of ["a", "b", "c"]) completion.chunk({ content });
    const chunks = await Array.fromAsync(await opened);
    assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "ab");
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "length");
    assert.equal(await completion.call.closed, false);
  });
});

function post(url: string, body: string): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, { method: "POST", body });
}
