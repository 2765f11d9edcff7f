import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { after, before, beforeEach, describe, it } from "node:test";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { FakePrefillDecodeWorker } from "../fakes/fake-prefill-decode-worker.ts";
import type { FakeDecode, FakeSession } from "../fakes/fake-prefill-decode-worker.ts";
import { chatBody, TestGateway } from "../gateway/running-gateway.ts";
import { answerOf, eventsOf, infer, QUESTION } from "./infer-client.ts";

describe("a worker that knows prefill and decode only", () => {
  let gateway: TestGateway;
  let worker: FakePrefillDecodeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakePrefillDecodeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  it("is spoken to as it is", async () => {
    const answer = infer(gateway.url);
    const session = await worker.next();
    const { session_id, ...prefill } = session.prefill.body;
    assert.deepEqual(prefill, QUESTION);
    assert.match(session_id as string, /^[\w-]+$/);
    const decode = await session.start();
    assert.deepEqual(decode.call.body, { session_id, max_tokens: QUESTION.max_tokens });
    for (const token of ["Pa", "ris", "."]) decode.token(token);
    decode.call.end();
    assert.equal(await answerOf(await answer), "Paris.");
  });

  it("serves chat completions under the name the client used", async () => {
    const answer = gateway.client.chat.completions.create({
      model: "tinyllama-1.1b",
      max_tokens: 2,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
      ],
    });
    const session = await worker.next();
    assert.equal(session.prefill.body["prompt"], "system: Be brief.\nuser: Hi");
    assert.equal(session.prefill.body["model"], "tinyllama-1.1b");
    await session.say("Hel", "lo");
    const { model, choices, usage } = await answer;
    assert.equal(model, "tinyllama-1.1b");
    assert.equal(choices[0]?.message.content, "Hello");
    assert.equal(choices[0]?.finish_reason, "length");
    assert.equal(usage?.completion_tokens, 2);
  });

  it("is asked for one choice at a time", async () => {
    const answer = gateway.client.chat.completions.create({
      model: "tinyllama-1.1b",
      messages: [{ role: "user", content: "Hi" }],
      n: 2,
    });
    for (const text of ["Hello", "Hi"]) await (await worker.next()).say(text);
    const { choices } = await answer;
    assert.deepEqual(new Set(choices.map(({ message }) => message.content)), new Set(["Hello", "Hi"]));
  });

  for (const [name, changes] of [
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["logprobs", { logprobs: true }],
    ["stop", { stop: "." }],
  ] as const) {
    it(`is not asked for \`${name}\`, which it does not know`, async () => {
      const response = await gateway.post(chatBody({ model: "tinyllama-1.1b", ...changes }));
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as { error: { message: string } };
      assert.match(error.message, new RegExp(`\`${name}\``));
      assert.equal(worker.server.unread, 0);
    });
  }

  it("fault 2: events that are split at every byte lose nothing", async () => {
    const answer = infer(gateway.url);
    const { call } = await (await worker.next()).start();
    const tokens = ["Pö", "t é", "🦊\n"];
    const frames = tokens.map((token, seq) => `data: ${JSON.stringify({ token, seq })}\r\n\r\n`);
    for (const byte of Buffer.from(frames.join(""))) {
      call.write(Buffer.of(byte));
      // One turn of the event loop for each, so that each leaves in a packet of its own.
      await setImmediate();
    }
    call.end();
    assert.equal(await answerOf(await answer), "Pöt é🦊\n");
  });

  // Fault 1: a clean 200 with missing tokens and no error, or everybody's end.
  for (const [what, end] of [
    ["dies", ({ call }) => call.die()],
    ["ends in the middle of an event", ({ call }) => void call.response.end('data: {"token":"x","seq":1}\n')],
    ["leaves out a token", (decode) => decode.token("x", 2)],
    ["repeats a token", (decode) => decode.token("x", 0)],
    ["sends something else", ({ call }) => call.event({ pong: true })],
    ["says what is wrong", ({ call }) => call.event({ error: "out of memory" })],
  ] as [string, (decode: FakeDecode) => void][]) {
    it(`gives its client an explicit error when it ${what}, and others go on`, async () => {
      const [answer, otherAnswer] = [infer(gateway.url), infer(gateway.url)];
      const [decode, other] = await Promise.all([
        worker.next().then((session) => session.start()),
        worker.next().then((session) => session.start()),
      ]);
      decode.token("Par");
      other.token("Lon");
      const responses = await Promise.all([answer, otherAnswer]);
      const readings = responses.map((response) => Array.fromAsync(eventsOf(response)));
      end(decode);
      await decode.call.closed;
      other.token("don");
      other.call.end();
      const answers = await Promise.all(readings);
      const texts = answers.map((events) => events.map(({ token }) => token ?? "").join(""));
      assert.deepEqual(texts.sort(), ["London", "Par"]);
      const broken = answers.find((events) => events[0]?.token === "Par")?.at(-1);
      assert.equal(broken?.finished, true);
      assert.equal(broken.error?.code, "upstream_failed");
      assert.equal((await gateway.get("/healthz")).status, 200);
    });
  }

  it("that does not mark the end of its stream is not believed to have ended it", async () => {
    const answer = infer(gateway.url);
    const session = await worker.next();
    session.prefill.json(200, { status: "ok" });
    const decode = await session.decode;
    // Without chunks, a connection that breaks looks the same as one that has done its work.
    decode.response.socket?.end(
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {"token":"Par","seq":0}\n\n',
    );
    const events = await Array.fromAsync(eventsOf(await answer));
    assert.equal(events.at(-1)?.error?.code, "upstream_failed");
  });

  it("that goes on beyond what it was asked for is stopped there", async () => {
    const answer = infer(gateway.url, { ...QUESTION, max_tokens: 2 });
    const decode = await (await worker.next()).start();
    for (const token of ["one ", "two ", "three "]) decode.token(token);
    assert.equal(await decode.call.closed, false);
    assert.equal(await answerOf(await answer), "one two ");
    await gateway.quiet();
    const { outcome, usage } = gateway.settled.at(-1)!;
    assert.deepEqual([outcome, usage.completionTokens], ["completed", 2]);
  });

  // Fault 4: a client that disconnects does not stop the generation.
  it("is told to stop when the client leaves", async () => {
    const answer = infer(gateway.url);
    const decode = await (await worker.next()).start();
    decode.token("Par");
    for await (const _ of eventsOf(await answer)) break;
    assert.equal(await decode.call.closed, false);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.outcome, "abandoned");
  });

  it("is told to stop when the client leaves during its prefill", async () => {
    const leave = new AbortController();
    const answer = infer(gateway.url, QUESTION, { signal: leave.signal });
    const session = await worker.next();
    leave.abort();
    await assert.rejects(answer, { name: "AbortError" });
    assert.equal(await session.prefill.closed, false);
  });
});

describe("three workers that know prefill and decode only", () => {
  let gateway: TestGateway;
  let workers: FakePrefillDecodeWorker[];
  before(async () => {
    gateway = await TestGateway.start();
    workers = await Promise.all(["f1", "f2", "f3"].map((id) => FakePrefillDecodeWorker.start(id)));
    for (const worker of workers) await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    for (const worker of workers) await worker.close();
  });

  // Fault 3: thirty concurrent requests over three idle workers land 30/0/0.
  it("share 30 concurrent requests evenly", async () => {
    const answers = Array.from({ length: 30 }, () => infer(gateway.url));
    // Nobody is answered before each has ten, so an uneven spread would leave some waiting for ever.
    const started = workers.flatMap((worker) =>
      Array.from({ length: 10 }, async () => (await worker.next()).start()),
    );
    for (const decode of await Promise.all(started)) {
      decode.token("ok");
      decode.call.end();
    }
    for (const answer of answers) assert.equal(await answerOf(await answer), "ok");
    assert.deepEqual(
      workers.map(({ sessions }) => sessions.length),
      [10, 10, 10],
    );
  });
});

describe("a worker that knows prefill and decode only, and fails", () => {
  let gateway: TestGateway;
  let workers: FakePrefillDecodeWorker[];
  before(async () => {
    gateway = await TestGateway.start({ timeouts: { prefillUs: 500 * MICROS_PER_MILLI } });
    workers = await Promise.all(["f1", "f2"].map((id) => FakePrefillDecodeWorker.start(id)));
    for (const worker of workers) await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    for (const worker of workers) await worker.close();
  });
  beforeEach(() => gateway.quiet());

  for (const [what, fail] of [
    // Fault 5: a prefill that hangs hangs for ever.
    ["hangs in its prefill", () => {}],
    ["has no room", ({ prefill }) => prefill.json(503, { error: "full", reason: "max_sessions_exceeded" })],
    ["fails in its prefill", ({ prefill }) => prefill.json(500, { error: "oops" })],
    ["does not know how its prefill went", ({ prefill }) => prefill.json(200, { status: "perhaps" })],
    ["dies in its prefill", ({ prefill }) => prefill.die()],
    ["dies before the first token", async (session) => (await session.start()).call.die()],
    ["has forgotten the session", async (session) => forget(session)],
  ] as [string, (session: FakeSession) => void | Promise<void>][]) {
    it(`and ${what}, is left for another`, async () => {
      const answer = infer(gateway.url);
      const arrivals = workers.map((worker) => worker.next().then((session) => ({ worker, session })));
      const first = await Promise.race(arrivals);
      await fail(first.session);
      const [one, two] = await Promise.all(arrivals);
      const second = first === one ? two : one;
      await second!.session.say("Paris");
      assert.equal(await answerOf(await answer), "Paris");
    });
  }

  it("is named with all others when none has answered, and told to stop", async () => {
    const answer = infer(gateway.url);
    const sessions = await Promise.all(workers.map((worker) => worker.next()));
    const response = await answer;
    assert.equal(response.status, 502);
    const { tried, reason } = (await response.json()) as { tried: string[]; reason: string };
    assert.deepEqual(tried.sort(), ["f1", "f2"]);
    assert.equal(reason, "prefill_timeout");
    for (const { prefill } of sessions) assert.equal(await prefill.closed, false);
  });
});

async function forget({ prefill, decode }: FakeSession): Promise<void> {
  prefill.json(200, { status: "ok" });
  (await decode).json(404, { error: "no such session" });
}
