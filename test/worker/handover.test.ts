import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Answer, WorkerClient } from "./harness.ts";
import { EventReader, eventually, generateBody, GREEDY, startWorker } from "./harness.ts";

const asking = (content: string) => ({ prompt: { messages: [{ role: "user", content }] } });
const STORY = { ...asking("Tell me a long story about a fox named Lila."), max_tokens: 60, ignore_eos: true };

interface Handover {
  first: Answer;
  second: Answer;
  ids: number[];
  text: string;
}

void describe("a generation that goes on elsewhere", () => {
  let a: WorkerClient;
  let b: WorkerClient;
  before(async () => {
    a = await startWorker({ timing: { creditTtlMs: 60_000 } });
    b = await startWorker();
  });
  after(async () => {
    await a.close();
    await b.close();
  });

  const stateOf = (id: string) => ({ url: `${a.worker.url}/worker/generate/${id}/state` });

  /** Parks on the one worker and goes on on the other, whose slots hold other things by then. */
  async function handOver(body: object, at: number, how: "state" | "replay"): Promise<Handover> {
    const reader = await a.open({ ...body, park_at: at });
    const first = await reader.rest();
    assert.deepEqual([first.parked?.generated, first.ids.length], [at, at]);
    await b.generate({ n: 4, prompt: { tokens: [5, 6, 7] }, max_tokens: 1 });
    const state = how === "state" ? stateOf(reader.id) : null;
    const second = await b.generate({ ...body, continue: { tokens: first.ids, state } });
    await a.call("DELETE", `/worker/generate/${reader.id}`);
    assert.equal(second.started?.continued_from, at);
    assert.equal(second.started.used_state, how === "state");
    return { first, second, ids: [...first.ids, ...second.ids], text: first.text + second.text };
  }

  void test("with its KV state gives the tokens of an undisturbed one, wherever it is parked", async () => {
    const whole = await b.generate(STORY);
    for (const at of [0, 1, 2, 13, 31, 47, 59]) {
      const { second, ids, text } = await handOver(STORY, at, "state");
      assert.deepEqual(ids, whole.ids, `parked at ${at}`);
      assert.equal(text, whole.text);
      const [event] = second.events.filter(({ type }) => type === "tokens");
      assert.equal(event?.type === "tokens" && event.seq, at);
      assert.equal(second.done?.finish_reason, "length");
      const { prompt_tokens: prompt, completion_tokens: completion } = second.done.usage;
      assert.deepEqual([prompt, completion], [whole.done?.usage.prompt_tokens, 60]);
    }
  });

  void test("evaluates nothing but new tokens when it has the state", async () => {
    const reader = await a.open({ ...STORY, park_at: 20 });
    const { ids, parked } = await reader.rest();
    await b.generate({ n: 4, prompt: { tokens: [5, 6, 7] }, max_tokens: 1 });
    const evaluated = await b.metric("headgate_worker_evaluated_tokens_total");
    await b.generate({ ...STORY, continue: { tokens: ids, state: stateOf(reader.id) } });
    assert.equal((await b.metric("headgate_worker_evaluated_tokens_total")) - evaluated, 40);
    // All that was given out but the last.
    assert.equal(parked?.state?.tokens, (parked?.usage.prompt_tokens ?? 0) + 19);
  });

  void test("without state evaluates prompt and tokens, and gives text that fits", async () => {
    const whole = await b.generate(STORY);
    for (const at of [0, 5, 30]) {
      const { first, ids, text } = await handOver(STORY, at, "replay");
      assert.deepEqual(ids.slice(0, at), whole.ids.slice(0, at));
      assert.equal(ids.length, 60);
      // Where it goes on otherwise, which it may, the text still is that of the tokens.
      if (ids.join() === whole.ids.join()) assert.equal(text, whole.text);
      assert.ok(text.startsWith(first.text));
    }
  });

  void test("tells each character and stop string once, though tokens on both sides have parts of it", async () => {
    const value = "Grüße 🙂🙃 aus 你好 €5";
    const whole = await b.generate({ grammar: { json_schema: { const: value } }, max_tokens: 80 });
    assert.equal(whole.text, JSON.stringify(value));
    const silent = whole.events.filter((event) => event.type === "tokens" && event.text === "");
    assert.ok(silent.length > 5, "some tokens end within a character");
    const body = {
      grammar: { json_schema: { const: value } },
      stop: ["🙂🙂", "aus 你x", "€5"],
      max_tokens: 80,
    };
    const stopped = await b.generate(body);
    assert.equal(stopped.text, JSON.stringify(value).split("€")[0]);
    for (let at = 0; at < stopped.ids.length; at++) {
      const { second, ids, text } = await handOver(body, at, at % 2 === 0 ? "state" : "replay");
      assert.deepEqual(ids, stopped.ids, `parked at ${at}`);
      assert.equal(text, stopped.text, `parked at ${at}`);
      assert.equal(second.done?.finish_reason, "stop");
    }
  });

  void test("keeps to its schema", async () => {
    const schema = {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 12 },
        tags: { type: "array", items: { enum: ["x", "y"] }, maxItems: 4 },
      },
      required: ["name", "tags"],
    };
    const body = { ...asking("Describe a fox."), grammar: { json_schema: schema }, max_tokens: 100 };
    const whole = await b.generate({ ...body, sampling: GREEDY });
    for (let at = 1; at < whole.ids.length; at += 3) {
      assert.deepEqual((await handOver(body, at, "state")).ids, whole.ids);
      const sampled = { ...body, sampling: { temperature: 1.5, seed: 5 }, max_tokens: 200 };
      const { text } = await handOver(sampled, 1 + (at % 4), "replay");
      const value = JSON.parse(text) as { name: string; tags: string[] };
      assert.ok(Array.from(value.name).length <= 12 && value.tags.every((tag) => "xy".includes(tag)));
    }
  });

  void test("has the penalties and biases of the tokens so far", async () => {
    for (const penalty of [{ frequency_penalty: 1.5 }, { presence_penalty: 2 }, { repetition_penalty: 3 }]) {
      const body = { ...STORY, sampling: { ...GREEDY, ...penalty }, logit_bias: { "10": 3 } };
      const whole = await b.generate(body);
      assert.notDeepEqual(whole.ids, (await b.generate(STORY)).ids);
      for (const at of [9, 40]) assert.deepEqual((await handOver(body, at, "state")).ids, whole.ids);
    }
  });

  void test("draws by a seed of seed and position; parked before its first token, as if it never was", async () => {
    const prompt = [9, 40, 77, 130, 12];
    const body = { prompt: { tokens: prompt }, ignore_eos: true, max_tokens: 60 };
    const sampled = { ...body, sampling: { temperature: 1.3, seed: 11 } };
    const whole = await b.generate(sampled);
    assert.deepEqual((await handOver(sampled, 0, "state")).ids, whole.ids);
    const at = 7;
    const { first, second } = await handOver(sampled, at, "state");
    assert.deepEqual(first.ids, whole.ids.slice(0, at));
    assert.notDeepEqual(second.ids, whole.ids.slice(at));
    // As the docs have it: the same as after a prompt of all these tokens with the derived seed.
    const words = Buffer.from(Uint32Array.of(11, at).buffer);
    const seed = createHash("sha256").update(words).digest().readUInt32LE(0);
    const expected = await b.generate({
      ...body,
      sampling: { temperature: 1.3, seed },
      prompt: { tokens: [...prompt, ...first.ids] },
      max_tokens: 60 - at,
    });
    assert.deepEqual(second.ids, expected.ids);
  });

  void test("goes on from worker to worker more than once, logprobs and all", async () => {
    const body = { ...STORY, logprobs: 2 };
    const whole = await b.generate(body);
    const first = await a.open({ ...body, park_at: 10 });
    const one = await first.rest();
    const state = stateOf(first.id);
    const second = await b.open({ ...body, park_at: 25, continue: { tokens: one.ids, state } });
    const two = await second.rest();
    assert.deepEqual([two.parked?.generated, two.parked?.usage.completion_tokens], [25, 25]);
    const three = await a.generate({
      ...body,
      continue: {
        tokens: [...one.ids, ...two.ids],
        state: { url: `${b.worker.url}/worker/generate/${second.id}/state` },
      },
    });
    const events = [one, two, three].flatMap((answer) =>
      answer.events.filter(({ type }) => type === "tokens"),
    );
    const expected = whole.events.filter(({ type }) => type === "tokens");
    assert.deepEqual(events, expected);
  });

  void test("on the worker that parked it finds everything in its slot", async () => {
    const one = await a.generate({ ...STORY, park_at: 30 });
    const evaluated = await a.metric("headgate_worker_evaluated_tokens_total");
    const two = await a.generate({ ...STORY, continue: { tokens: one.ids } });
    assert.equal(two.started?.cached_tokens, two.started?.prompt_tokens);
    assert.equal((await a.metric("headgate_worker_evaluated_tokens_total")) - evaluated, 30);
  });

  void test("is parked when asked to: at its credit, before its first token, while it runs", async () => {
    const park = (id: string) => a.call("POST", `/worker/generate/${id}/park`);
    const halted = await a.open({ ...STORY, credit: 6 });
    await halted.until("credit");
    assert.deepEqual((await park(halted.id)).body, { parking: true });
    assert.equal((await halted.rest()).parked?.generated, 6);
    const unread = await a.open({ ...STORY, credit: 0 });
    await unread.until("credit");
    await park(unread.id);
    const { parked } = await unread.rest();
    assert.deepEqual([parked?.generated, parked?.state], [0, null]);
    const running = await a.open({ ...STORY, max_tokens: 400, credit: 400 });
    const events = await running.until("tokens");
    await park(running.id);
    const rest = await running.rest();
    const ids = [...events.flatMap((event) => (event.type === "tokens" ? event.ids : [])), ...rest.ids];
    assert.equal(rest.parked?.generated, ids.length);
    assert.ok(ids.length < 400);
    assert.equal((await a.health())["active_sessions"], 0);
    const whole = await b.generate({ ...STORY, max_tokens: 400 });
    const body = { ...STORY, max_tokens: 400, continue: { tokens: ids, state: stateOf(running.id) } };
    assert.deepEqual([...ids, ...(await b.generate(body)).ids], whole.ids);
    assert.equal((await park(running.id)).status, 404);
  });

  void test("evaluates its prompt for park_at 0 once there is credit, and counts credit from its start", async () => {
    const reader = await a.open({ ...STORY, park_at: 0, credit: 0 });
    await reader.until("credit");
    await a.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 1 });
    const { parked, started } = await reader.rest();
    assert.equal(parked?.state?.tokens, (started?.prompt_tokens ?? 0) - 1);
    const { ids } = await a.generate({ ...STORY, park_at: 10 });
    const second = await b.open({ ...STORY, credit: 10, continue: { tokens: ids } });
    assert.deepEqual((await second.until("credit")).at(-1), { type: "credit", used: 10 });
    await b.call("POST", `/worker/generate/${second.id}/credit`, { credit: 13 });
    assert.deepEqual((await second.until("credit")).at(-1), { type: "credit", used: 13 });
    second.leave();
  });

  void test("ends as always when it ends before park_at", async () => {
    const { done } = await a.generate({ max_tokens: 200, park_at: 150 });
    assert.equal(done?.finish_reason, "stop");
    const { done: long } = await a.generate({ ...STORY, park_at: 60 });
    assert.equal(long?.finish_reason, "length");
  });

  void test("is refused where it can't go on", async () => {
    const end = await a.generate({ max_tokens: 200 });
    const { ids } = await a.generate({ ...STORY, park_at: 40 });
    const wrong: [Record<string, unknown>, string, string][] = [
      [{ continue: { tokens: ids.slice(0, 3) }, n: 2 }, "not_continuable", "n"],
      [{ park_at: 3, n: 2 }, "not_continuable", "park_at"],
      [{ continue: { tokens: ids.slice(0, 16) } }, "not_continuable", "continue.tokens"],
      [
        {
          max_tokens: 90,
          stop: [(await a.generate(STORY)).text.slice(5, 9)],
          ...asking(STORY.prompt.messages[0]!.content),
          continue: { tokens: ids },
        },
        "not_continuable",
        "continue.tokens",
      ],
      [
        { continue: { tokens: ids.slice(0, 3) }, grammar: { json: true } },
        "not_continuable",
        "continue.tokens",
      ],
      [
        { max_tokens: 90, continue: { tokens: [...end.ids, 0, 1, 2, 3, 4] } },
        "not_continuable",
        "continue.tokens",
      ],
      [{ continue: { tokens: [1_000_000] } }, "invalid_request", "continue.tokens"],
      [{ continue: { tokens: [-1] } }, "invalid_request", "continue.tokens"],
      [{ park_at: -1 }, "invalid_request", "park_at"],
      ...[
        "http://example.com/worker/generate/x/state",
        "http://127.0.0.1:1/metrics",
        "file:///etc/passwd",
        "x",
      ].map((url): [Record<string, unknown>, string, string] => [
        { continue: { tokens: [], state: { url } } },
        "invalid_request",
        "continue.state.url",
      ]),
    ];
    for (const [body, code, param] of wrong) {
      const { status, body: answer } = await a.call("POST", "/worker/generate", generateBody(body));
      assert.deepEqual(
        [status, answer.error?.code, answer.error?.param],
        [400, code, param],
        JSON.stringify(body),
      );
    }
    const two = await a.open({ n: 2, credit: 0 });
    const { status, body } = await a.call("POST", `/worker/generate/${two.id}/park`);
    assert.deepEqual([status, body.error.code], [400, "not_continuable"]);
    two.leave();
    await eventually(async () => (await a.health())["active_sessions"] === 0);
  });

  void test("goes from one process to another", async () => {
    const child = fork(resolve(import.meta.dirname, "worker-process.ts"));
    let url = "";
    child.on("message", (message: Record<string, unknown>) => {
      if (message["type"] === "ready") url = String(message["url"]);
    });
    await eventually(() => url !== "" || child.exitCode !== null);
    const body = generateBody({ ...STORY, park_at: 21 });
    const answer = await fetch(`${url}/worker/generate`, { method: "POST", body: JSON.stringify(body) });
    assert.ok(answer.body);
    const bytes = answer.body as unknown as AsyncIterable<Buffer>;
    const first = await new EventReader({
      id: body.id,
      bytes: decoded(bytes),
      abort: new AbortController(),
    }).rest();
    const state = { url: `${url}/worker/generate/${body.id}/state` };
    const second = await b.generate({ ...STORY, continue: { tokens: first.ids, state } });
    assert.equal(second.started?.used_state, true);
    assert.deepEqual([...first.ids, ...second.ids], (await b.generate(STORY)).ids);
    await fetch(state.url.replace(/\/state$/, ""), { method: "DELETE" });
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
});

async function* decoded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) yield Buffer.from(chunk);
}
