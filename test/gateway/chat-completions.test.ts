import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type OpenAI from "openai";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const MESSAGES: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Capital of France?" }];

describe("chat completions through the openai client, served by a worker", () => {
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

  it("answers with one document", async () => {
    const answer = gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES });
    (await worker.next()).say("Pa", "ris");
    const completion = await answer;
    assert.match(completion.id, /^chatcmpl-/);
    assert.equal(completion.object, "chat.completion");
    assert.equal(completion.model, "tiny");
    assert.equal(completion.choices.length, 1);
    assert.equal(completion.choices[0]?.message.content, "Paris");
    assert.equal(completion.choices[0]?.finish_reason, "stop");
    assert.deepEqual(completion.usage, {
      prompt_tokens: 5,
      completion_tokens: 2,
      total_tokens: 7,
      prompt_tokens_details: { cached_tokens: 2 },
      // 3 tokens read, 2 found in the cache at half the price, and 2 generated.
      cost_usd: 8e-9,
    });
    assert.ok(completion._request_id);
  });

  it("streams each token as it is generated", async () => {
    const stream = await Promise.all([
      gateway.client.chat.completions.create({ model: "default", messages: MESSAGES, stream: true }),
      (async () => {
        const generation = await worker.next();
        generation.started();
        generation.token("Pa");
        return generation;
      })(),
    ]).then(([opened, generation]) => ({ chunks: opened[Symbol.asyncIterator](), generation }));

    const { chunks, generation } = stream;
    assert.deepEqual((await next(chunks)).choices[0]?.delta, {
      role: "assistant",
      content: "",
      refusal: null,
    });
    assert.equal((await next(chunks)).choices[0]?.delta.content, "Pa");
    // Not sent before the first was read.
    generation.token("ris — “é”");
    assert.equal((await next(chunks)).choices[0]?.delta.content, "ris — “é”");
    generation.done("length");
    const last = await next(chunks);
    assert.equal(last.choices[0]?.finish_reason, "length");
    assert.equal(last.model, "tiny");
    assert.equal((await chunks.next()).done, true);
  });

  it("sends usage in a last chunk when asked for", async () => {
    const [stream] = await Promise.all([
      gateway.client.chat.completions.create({
        model: "tiny",
        messages: MESSAGES,
        stream: true,
        stream_options: { include_usage: true },
      }),
      worker.next().then((generation) => generation.say("Hi")),
    ]);
    const chunks = await Array.fromAsync(stream);
    const last = chunks.at(-1);
    assert.deepEqual(last?.choices, []);
    assert.equal(last?.usage?.completion_tokens, 1);
    assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));
  });

  it("asks a worker for several choices of one prompt at once, and counts the prompt once", async () => {
    const answer = gateway.client.chat.completions.create({
      model: "tiny",
      messages: MESSAGES,
      n: 3,
      seed: 40,
    });
    const generation = await worker.next();
    assert.equal(generation.choices, 3);
    assert.deepEqual(generation.request["sampling"], { seed: 40 });
    generation.started();
    for (const choice of [2, 0, 1]) generation.token(`choice ${choice}`, choice);
    generation.finished(1, "length");
    generation.token(" goes on", 2);
    generation.finished(0);
    generation.finished(2);
    generation.done();
    const { choices, usage } = await answer;
    assert.deepEqual(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
      [
        [0, "choice 0", "stop"],
        [1, "choice 1", "length"],
        [2, "choice 2 goes on", "stop"],
      ],
    );
    assert.deepEqual([usage?.prompt_tokens, usage?.completion_tokens], [5, 4]);
  });

  it("streams several choices side by side, each with its own end", async () => {
    const [stream] = await Promise.all([
      gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES, n: 2, stream: true }),
      (async () => {
        const generation = await worker.next();
        generation.started();
        generation.token("a", 0);
        generation.token("b", 1);
        generation.finished(0);
        generation.token("c", 1);
        generation.finished(1, "length");
        generation.done("length");
      })(),
    ]);
    const texts = ["", ""];
    const reasons: (string | null)[] = [null, null];
    for await (const { choices } of stream) {
      for (const { index, delta, finish_reason } of choices) {
        assert.equal(reasons[index], null, "nothing comes after the end");
        texts[index] += delta.content ?? "";
        reasons[index] = finish_reason;
      }
    }
    assert.deepEqual(
      [texts, reasons],
      [
        ["a", "bc"],
        ["stop", "length"],
      ],
    );
  });

  for (const [what, event] of [
    ["a choice that was not asked for", { type: "tokens", choice: 2, seq: 0, ids: [1], text: "x" }],
    ["more of a choice that has ended", { type: "tokens", choice: 0, seq: 1, ids: [1], text: "x" }],
    ["logprobs that are none", { type: "tokens", choice: 1, seq: 0, ids: [1], text: "x", logprobs: [1] }],
  ] as [string, object][]) {
    it(`takes a worker that sends ${what} for broken`, async () => {
      const answer = gateway.post(chatBody({ n: 2 }));
      const generation = await worker.next();
      generation.started();
      generation.token("a", 0);
      generation.finished(0);
      generation.call.event(event);
      assert.equal((await answer).status, 502);
      await generation.call.closed;
    });
  }

  it("sends the worker what the client asked for, in the worker's words", async () => {
    const answer = gateway.client.chat.completions.create({
      model: "tiny",
      messages: [
        {
          role: "developer",
          content: [
            { type: "text", text: "Be" },
            { type: "text", text: "brief." },
          ],
        },
        ...MESSAGES,
      ],
      max_completion_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      presence_penalty: 1,
      stop: "END",
      user: "u",
      metadata: { a: "b" },
    });
    const generation = await worker.next();
    const { id, prompt, model, max_tokens, credit, sampling, stop, supervisor } = generation.request;
    assert.ok(typeof id === "string");
    assert.deepEqual(
      { prompt, model, max_tokens, credit, sampling, stop, supervisor },
      {
        prompt: {
          messages: [
            { role: "system", content: "Be\nbrief." },
            { role: "user", content: "Capital of France?" },
          ],
        },
        model: "tiny",
        max_tokens: 9,
        credit: 9,
        sampling: { temperature: 0.5, top_p: 0.9, presence_penalty: 1 },
        stop: ["END"],
        supervisor: "test-supervisor",
      },
    );
    generation.say("Paris");
    await answer;
  });

  it("keeps text that comes without tokens: the end of a character", async () => {
    const answer = gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES });
    const generation = await worker.next();
    generation.started();
    generation.token("");
    generation.call.event({ type: "tokens", seq: 1, ids: [], text: "é" });
    generation.done();
    assert.equal((await answer).choices[0]?.message.content, "é");
  });

  it("answers an unknown model with 404 and no attempt", async () => {
    await assert.rejects(gateway.client.chat.completions.create({ model: "gpt-9", messages: MESSAGES }), {
      status: 404,
      code: "model_not_found",
    });
    assert.equal(worker.server.unread, 0);
  });

  it("passes the worker's refusal of a request on to the client", async () => {
    const answer = gateway.post(chatBody());
    (await worker.next()).call.json(400, {
      error: { message: "stop is too odd", code: "invalid_request", param: "stop" },
    });
    const response = await answer;
    assert.equal(response.status, 400);
    assert.match(await response.text(), /stop is too odd/);
  });

  it("tells the client when the prompt turns out too long", async () => {
    const answer = gateway.post(chatBody());
    (await worker.next()).call.json(400, {
      error: { message: "5 tokens too many", code: "context_length_exceeded", param: "messages" },
    });
    const { error } = (await (await answer).json()) as { error: { code: string } };
    assert.equal(error.code, "context_length_exceeded");
  });

  it("has one request id for header, answer and log", async () => {
    const answer = gateway.post(chatBody());
    (await worker.next()).say("Hi");
    const response = await answer;
    const id = response.headers.get("x-request-id");
    const { id: completion } = (await response.json()) as { id: string };
    assert.equal(completion, `chatcmpl-${id}`);
    assert.equal(gateway.settled.at(-1)?.request, id);
  });
});

async function next(chunks: AsyncIterator<OpenAI.ChatCompletionChunk>): Promise<OpenAI.ChatCompletionChunk> {
  const { done, value } = await chunks.next();
  assert.ok(!done);
  return value;
}
