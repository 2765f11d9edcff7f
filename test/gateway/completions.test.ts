import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type OpenAI from "openai";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { TestGateway } from "./running-gateway.ts";

describe("completions through the openai client", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    const models = { big: "upstream-name" };
    gateway = await TestGateway.start({
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models }],
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

  it("answers with one document", async () => {
    const answer = gateway.client.completions.create({ model: "tiny", prompt: "Once", stop: ["."], seed: 1 });
    const generation = await worker.next();
    const { prompt, max_tokens, stop, sampling, grammar } = generation.request;
    assert.deepEqual(
      { prompt, max_tokens, stop, sampling, grammar },
      { prompt: { text: "Once" }, max_tokens: 16, stop: ["."], sampling: { seed: 1 }, grammar: undefined },
    );
    generation.say(" upon", " a time");
    const { id, object, choices, usage, model } = await answer;
    assert.match(id, /^cmpl-/);
    assert.equal(object, "text_completion");
    assert.equal(model, "tiny");
    assert.deepEqual(choices, [{ index: 0, text: " upon a time", logprobs: null, finish_reason: "stop" }]);
    assert.equal(usage?.completion_tokens, 2);
  });

  it("streams, with several choices and usage at the end", async () => {
    const [stream] = await Promise.all([
      gateway.client.completions.create({
        model: "tiny",
        prompt: ["Once"],
        n: 2,
        stream: true,
        stream_options: { include_usage: true },
      }),
      (async () => {
        const generation = await worker.next();
        generation.started();
        generation.token("a", 0);
        generation.token("b", 1);
        generation.finished(0, "length");
        generation.finished(1);
        generation.done();
      })(),
    ]);
    const chunks = await Array.fromAsync(stream);
    const texts = ["", ""];
    for (const { choices } of chunks) for (const { index, text } of choices) texts[index] += text;
    assert.deepEqual(texts, ["a", "b"]);
    const reasons = chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason));
    assert.deepEqual(reasons.filter(Boolean), ["length", "stop"]);
    assert.equal(chunks.at(-1)?.usage?.completion_tokens, 2);
  });

  for (const prompt of [[1, 2, 3], [[1, 2, 3]]]) {
    it(`takes token ids as ${JSON.stringify(prompt)}`, async () => {
      const answer = gateway.client.completions.create({ model: "tiny", prompt });
      const generation = await worker.next();
      assert.deepEqual(generation.request["prompt"], { tokens: [1, 2, 3] });
      generation.say("x");
      await answer;
    });
  }

  for (const stream of [false, true]) {
    it(`gives logprobs in the form of completions, stream: ${stream}`, async () => {
      const request = { model: "tiny", prompt: "a", logprobs: 1, stream };
      const answer = gateway.client.completions.create(request);
      const generation = await worker.next();
      generation.started();
      for (const text of ["ab", "c"]) {
        const token = { id: 1, token: text, bytes: [...Buffer.from(text)], logprob: -1 };
        generation.token(text, 0, { logprobs: [{ ...token, top: [token] }] });
      }
      generation.done();
      const result = await answer;
      const parts = Symbol.asyncIterator in result ? await Array.fromAsync(result) : [result];
      const logprobs = parts.flatMap(({ choices }) => choices[0]?.logprobs ?? []);
      assert.deepEqual(
        logprobs.flatMap(({ tokens }) => tokens),
        ["ab", "c"],
      );
      assert.deepEqual(
        logprobs.flatMap(({ token_logprobs }) => token_logprobs),
        [-1, -1],
      );
      assert.deepEqual(
        logprobs.flatMap(({ top_logprobs }) => top_logprobs),
        [{ ab: -1 }, { c: -1 }],
      );
      assert.deepEqual(
        logprobs.flatMap(({ text_offset }) => text_offset),
        [0, 2],
      );
    });
  }

  for (const [body, param] of [
    [{}, "prompt"],
    [{ prompt: "" }, "prompt"],
    [{ prompt: ["a", "b"] }, "prompt"],
    [{ prompt: [[1], [2]] }, "prompt"],
    [{ prompt: [1, -1] }, "prompt"],
    [{ prompt: "a", suffix: "b" }, "suffix"],
    [{ prompt: "a", echo: true }, "echo"],
    [{ prompt: "a", best_of: 2 }, "best_of"],
    [{ prompt: "a", logprobs: true }, "logprobs"],
    [{ prompt: "a", max_tokens: 0 }, "max_tokens"],
    [{ prompt: "a", messages: [] }, "messages"],
    [{ prompt: "a", tools: [] }, "tools"],
  ] as [object, string][]) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const asked = { model: "tiny", ...body } as OpenAI.CompletionCreateParamsNonStreaming;
      await assert.rejects(gateway.client.completions.create(asked), { status: 400, param });
    });
  }

  it("is passed on to a remote API, which is told the ceiling", async () => {
    const answer = gateway.client.completions.create({ model: "big", prompt: "Once", suffix: "end" });
    const { call } = await upstream.next();
    assert.equal(call.path, "/v1/completions");
    assert.deepEqual(call.body, { model: "upstream-name", prompt: "Once", suffix: "end", max_tokens: 16 });
    call.json(200, {
      id: "cmpl-1",
      object: "text_completion",
      choices: [{ index: 0, text: " upon", finish_reason: "length", logprobs: null }],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    });
    const { id, choices, usage } = await answer;
    assert.equal(id, "cmpl-1");
    assert.equal(choices[0]?.text, " upon");
    assert.equal(usage?.completion_tokens, 3);
  });

  it("is relayed from a remote API's stream", async () => {
    const opened = gateway.client.completions.create({ model: "big", prompt: "Once", stream: true });
    const { call } = await upstream.next();
    call.openStream();
    for (const text of [" upon", " a time"]) call.event({ id: "cmpl-1", choices: [{ index: 0, text }] });
    call.event({ id: "cmpl-1", choices: [{ index: 0, text: "", finish_reason: "stop" }] });
    call.write("data: [DONE]\n\n");
    call.end();
    const chunks = await Array.fromAsync(await opened);
    assert.equal(chunks.map(({ choices }) => choices[0]?.text).join(""), " upon a time");
    await gateway.quiet();
    // The upstream gives no usage: each of the 12 bytes might be a token, and no fewer are charged.
    assert.equal(gateway.settled.at(-1)?.usage.completionTokens, 12);
  });
});
