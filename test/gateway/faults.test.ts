import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import OpenAI from "openai";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const MESSAGES = [{ role: "user" as const, content: "Hi" }];
const STREAMED = { model: "tiny", messages: MESSAGES, stream: true } as const;
const BUFFERED = { model: "tiny", messages: MESSAGES } as const;

describe("a worker that fails", () => {
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

  // Fault 1: a clean 200 with missing tokens and no error.
  for (const [how, end] of [
    ["dies", "die"],
    ["ends its stream early", "end"],
  ] as const) {
    it(`and ${how} in mid-stream gives the client an explicit error`, async () => {
      const opened = gateway.client.chat.completions.create(STREAMED);
      const generation = await worker.next();
      generation.started();
      generation.token("Par");
      const stream = await opened;
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      await assert.rejects(
        async () => {
          for await (const chunk of stream) {
            chunks.push(chunk);
            if (chunk.choices[0]?.delta.content === "Par") generation.call[end]();
          }
        },
        (error) => error instanceof OpenAI.APIError && error.code === "upstream_failed",
      );
      assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, null);
      assert.equal((await gateway.get("/healthz")).status, 200);
    });
  }

  it("never lets a broken stream end with [DONE]", async () => {
    const answer = gateway.post(chatBody({ stream: true }));
    const generation = await worker.next();
    generation.started();
    generation.token("Par");
    generation.call.event({ type: "error", code: "engine", message: "out of memory" });
    const text = await (await answer).text();
    assert.match(text, /data: {"error":{"message":".*out of memory/);
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  for (const [what, bytes] of [
    ["no JSON", "data: {\n\n"],
    ["an event of another dialect", 'data: {"type":"pong"}\n\n'],
    ["counts that are none", 'data: {"type":"started","prompt_tokens":-1,"cached_tokens":0}\n\n'],
  ] as const) {
    it(`and sends ${what} is taken for broken, and cut off`, async () => {
      const answer = gateway.post(chatBody());
      const { call } = await worker.next();
      call.openStream();
      call.write(bytes);
      assert.equal((await answer).status, 502);
      assert.equal(await call.closed, false);
    });
  }
});

describe("with a second worker", () => {
  let gateway: TestGateway;
  let workers: FakeWorker[];
  before(async () => {
    gateway = await TestGateway.start({ timeouts: { prefillUs: 200 * MICROS_PER_MILLI } });
    // A request whose reused connection breaks would go to the same worker once more, on a new one.
    const settings = ["w1", "w2"].map((id) => ({ id, requestsPerConnection: 1 }));
    workers = await Promise.all(settings.map((each) => FakeWorker.start(each)));
    for (const worker of workers) await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    for (const worker of workers) await worker.close();
  });
  beforeEach(() => gateway.quiet());

  /** The first attempt and the second one, which has to be on the other worker. */
  async function firstAndSecond(
    fail: (first: Awaited<ReturnType<FakeWorker["next"]>>) => void,
  ): Promise<void> {
    const [one, two] = workers;
    assert.ok(one && two);
    const arrivals = workers.map((worker) => worker.next().then((generation) => ({ worker, generation })));
    const first = await Promise.race(arrivals);
    fail(first.generation);
    const second = await (first.worker === one ? arrivals[1] : arrivals[0]);
    assert.ok(second);
    assert.notEqual(second.generation.request["id"], first.generation.request["id"]);
    second.generation.say("Paris");
  }

  for (const body of [BUFFERED, STREAMED]) {
    const form = "stream" in body ? "streamed" : "buffered";
    for (const [name, fail] of [
      ["is at capacity", (first) => first.call.json(503, { error: "full", reason: "max_sessions_exceeded" })],
      ["fails inside", (first) => first.call.json(500, { error: "oops" })],
      ["dies before it accepts", (first) => first.call.die()],
      // Fault 5: a prefill that hangs hangs for ever.
      ["hangs in prefill", () => {}],
    ] as [string, (first: Awaited<ReturnType<FakeWorker["next"]>>) => void][]) {
      it(`a ${form} request goes to the other when one ${name}`, async () => {
        const answer = gateway.client.chat.completions.create(body);
        await firstAndSecond(fail);
        const result = await answer;
        assert.equal(await textOf(result), "Paris");
      });
    }
  }

  it("a buffered answer starts over after a death in mid-answer, and has nothing of the first", async () => {
    const answer = gateway.client.chat.completions.create(BUFFERED);
    await firstAndSecond((first) => {
      first.started();
      first.token("Lon");
      first.call.die();
    });
    assert.equal((await answer).choices[0]?.message.content, "Paris");
  });
});

async function textOf(
  answer: OpenAI.ChatCompletion | AsyncIterable<OpenAI.ChatCompletionChunk>,
): Promise<string | null | undefined> {
  if ("choices" in answer) return answer.choices[0]?.message.content;
  const chunks = await Array.fromAsync(answer);
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}

describe("a client that leaves", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakeWorker.start({ slots: 1 });
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  it("while its body is being sent, leaves nothing behind", async () => {
    const settled = gateway.settled.length;
    const socket = await gateway.connect();
    socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    // Another call passes through the same server meanwhile.
    assert.equal((await gateway.get("/healthz")).status, 200);
    socket.destroy();
    assert.equal((await gateway.get("/healthz")).status, 200);
    assert.equal(gateway.settled.length, settled);
    assert.equal(worker.server.unread, 0);
  });

  // Fault 4: a client that disconnects does not stop the generation.
  for (const stream of [false, true]) {
    const body = { ...BUFFERED, stream };

    it(`while it waits for a place, is never dispatched, stream: ${stream}`, async () => {
      const running = gateway.client.chat.completions.create(BUFFERED);
      const generation = await worker.next();
      const leave = new AbortController();
      const waiting = gateway.client.chat.completions.create(body, { signal: leave.signal });
      while (gateway.shell.open().exchanges < 2) await gateway.get("/healthz");
      leave.abort();
      await assert.rejects(waiting);
      while (gateway.shell.open().exchanges > 1) await gateway.get("/healthz");
      assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
      generation.say("ok");
      await running;
      assert.equal(worker.server.unread, 0);
    });

    it(`before the first token, cancels the generation, stream: ${stream}`, async () => {
      const leave = new AbortController();
      const answer = gateway.client.chat.completions.create(body, { signal: leave.signal });
      const generation = await worker.next();
      leave.abort();
      await assert.rejects(answer);
      assert.equal(await generation.call.closed, false);
    });

    it(`between two tokens, cancels the generation, stream: ${stream}`, async () => {
      const leave = new AbortController();
      const answer = gateway.client.chat.completions.create(body, { signal: leave.signal });
      const generation = await worker.next();
      generation.started();
      generation.token("Par");
      if (stream) {
        for await (const _ of (await answer) as AsyncIterable<unknown>) break;
      } else {
        leave.abort();
        await assert.rejects(answer);
      }
      assert.equal(await generation.call.closed, false);
      await gateway.quiet();
      assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
    });
  }
});
