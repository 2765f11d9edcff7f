import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, describe, test } from "node:test";
import { request } from "undici";
import type { Answer, WorkerClient } from "./harness.ts";
import { eventually, generateBody, MODEL, startWorker } from "./harness.ts";

const STORY = {
  prompt: { messages: [{ role: "user", content: "Tell me a long story about a fox named Lila." }] },
  max_tokens: 60,
  ignore_eos: true,
};
const FINGERPRINT = "x-headgate-state-fingerprint";

const statePath = (id: string) => `/worker/generate/${id}/state`;

/** Of nothing so far. */
const from = (host: string) => ({ tokens: [], state: { url: `http://${host}${statePath("x")}` } });

const path = (name: string) => MODEL.path.replace("headgate-0.3m", name);

const whole = async (worker: WorkerClient) => (await worker.generate(STORY)).ids;

interface Parked extends Answer {
  id: string;
  url: string;
}

async function park(worker: WorkerClient, at: number, more: object = {}): Promise<Parked> {
  const reader = await worker.open({ ...STORY, ...more, park_at: at });
  const answer = await reader.rest();
  return { ...answer, id: reader.id, url: `${worker.worker.url}${statePath(reader.id)}` };
}

async function statusOf(url: string): Promise<number> {
  const { statusCode, body } = await request(url);
  await body.dump();
  return statusCode;
}

async function fingerprintOf(worker: WorkerClient): Promise<string> {
  const [model] = (await worker.health())["models"] as Record<string, string>[];
  return model?.["state_fingerprint"] ?? "";
}

void describe("states of parked generations", () => {
  const TMPDIR = process.env["TMPDIR"];
  const TEMPORARY = tmpdir();
  afterEach(() => {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  });

  void test("say what they are, can be fetched again and again, and are gone when freed", async () => {
    const folder = await mkdtemp(join(TEMPORARY, "parked-test-"));
    process.env["TMPDIR"] = folder;
    const worker = await startWorker();
    const { parked, id, url } = await park(worker, 12);
    for (let times = 0; times < 2; times++) {
      const { statusCode, headers, body } = await request(url);
      const bytes = await body.bytes();
      assert.deepEqual([statusCode, headers["content-type"]], [200, "application/octet-stream"]);
      assert.equal(headers[FINGERPRINT], await fingerprintOf(worker));
      assert.equal(headers["x-headgate-state-tokens"], String(parked?.state?.tokens));
      assert.equal(bytes.length, parked?.state?.bytes);
    }
    const freed = await worker.call("DELETE", `/worker/generate/${id}`);
    assert.deepEqual(freed.body, { cancelled: false, freed: true });
    assert.equal(await statusOf(url), 404);
    assert.equal((await worker.call("DELETE", `/worker/generate/${id}`)).status, 404);
    await eventually(async () => (await readdir(folder)).length === 0);
    await park(worker, 3);
    assert.equal((await readdir(folder)).length, 1);
    await worker.close();
    assert.deepEqual(await readdir(folder), []);
    await rm(folder, { recursive: true });
  });

  void test("expire; the answer goes on without", async () => {
    await using a = await startWorker({ handover: { stateTtlMs: 1 } });
    await using b = await startWorker();
    const { ids, url, parked } = await park(a, 12);
    assert.ok(parked?.state);
    await eventually(async () => (await statusOf(url)) === 404);
    const second = await b.generate({ ...STORY, continue: { tokens: ids, state: { url } } });
    assert.deepEqual([second.started?.used_state, second.started?.cached_tokens], [false, 0]);
    assert.deepEqual(second.ids.length, 48);
  });

  void test("have limits, beyond which generations are parked without", async () => {
    await using few = await startWorker({ handover: { statesMax: 1 } });
    const first = await park(few, 5);
    assert.ok(first.parked?.state);
    assert.equal((await park(few, 5)).parked?.state, null);
    assert.equal(await statusOf(first.url), 200);
    await few.call("DELETE", `/worker/generate/${first.id}`);
    const again = await park(few, 5);
    assert.ok(again.parked?.state);
    // Parked once more under its id, it takes its own place.
    assert.ok((await park(few, 5, { id: again.id })).parked?.state);
    await using small = await startWorker({ handover: { stateBytesMax: 1_000 } });
    assert.equal((await park(small, 5)).parked?.state, null);
  });

  void test("that can't be written are done without", async () => {
    process.env["TMPDIR"] = "/nonexistent";
    await using worker = await startWorker();
    const { parked, ids } = await park(worker, 5);
    assert.deepEqual([parked?.state, parked?.generated, ids.length], [null, 5, 5]);
    process.env["TMPDIR"] = TEMPORARY;
    assert.ok((await park(worker, 5)).parked?.state);
  });

  void test("wait to be fetched while the worker drains", async () => {
    const a = await startWorker();
    await using b = await startWorker();
    const reader = await a.open({ ...STORY, credit: 9 });
    const events = await reader.until("credit");
    const drained = a.worker.drain({ deadlineMs: 60_000 });
    await a.call("POST", `/worker/generate/${reader.id}/park`);
    const { parked } = await reader.rest();
    const ids = events.flatMap((event) => (event.type === "tokens" ? event.ids : []));
    assert.equal(parked?.generated, 9);
    const refused = await a.call("POST", "/worker/generate", generateBody());
    assert.equal(refused.body.reason, "draining");
    const state = { url: `${a.worker.url}${statePath(reader.id)}` };
    const { started, ids: rest } = await b.generate({ ...STORY, continue: { tokens: ids, state } });
    assert.equal(started?.used_state, true);
    assert.deepEqual([...ids, ...rest], (await b.generate(STORY)).ids);
    await a.call("DELETE", `/worker/generate/${reader.id}`);
    await drained;
    await assert.rejects(a.health());
  });

  void test("hold up no drain beyond its deadline", async () => {
    const worker = await startWorker();
    assert.ok((await park(worker, 5)).parked?.state);
    await worker.worker.drain({ deadlineMs: 10 });
    const other = await startWorker();
    assert.ok((await park(other, 5)).parked?.state);
    const drained = other.worker.drain({ deadlineMs: 60_000 });
    await other.close();
    await drained;
  });
});

void describe("states that are of no use", () => {
  void test("of another kind of context are refused", async () => {
    await using a = await startWorker({ model: { slots: 4 } });
    await using b = await startWorker({ model: { slots: 3 } });
    assert.notEqual(await fingerprintOf(a), await fingerprintOf(b));
    const { ids, url } = await park(a, 12);
    const { started, ids: rest } = await b.generate({ ...STORY, continue: { tokens: ids, state: { url } } });
    assert.equal(started?.used_state, false);
    assert.deepEqual([...ids, ...rest], await whole(b));
  });

  void test("of other weights are refused, though they would load", async () => {
    await using a = await startWorker({ model: { path: path("headgate-1m") } });
    await using b = await startWorker({ model: { path: path("headgate-1m-math") } });
    const { ids, url } = await park(a, 12);
    const { started } = await b.generate({ ...STORY, continue: { tokens: ids, state: { url } } });
    assert.equal(started?.used_state, false);
  });

  void test("are read no further than the context could fill", async () => {
    await using b = await startWorker({ handover: { transferMs: 3_600_000 } });
    const fingerprint = await fingerprintOf(b);
    await using other = await FakeWorker.start((response) => {
      response.setHeader(FINGERPRINT, fingerprint);
      Readable.from(endless()).pipe(response);
    });
    const state = { url: `${other.url}${statePath("x")}` };
    const { started } = await b.generate({ ...STORY, continue: { tokens: [5, 6], state } });
    assert.equal(started?.used_state, false);
  });

  void test("of other tokens are used as far as they are the same", async () => {
    await using a = await startWorker();
    await using b = await startWorker();
    const expected = await whole(b);
    const tokens = expected.slice(0, 20);
    const other = { prompt: { messages: [{ role: "user", content: "What is the capital of France?" }] } };
    for (const { url } of [await park(a, 12, other), await park(a, 5), await park(a, 50)]) {
      await b.generate({ n: 4, prompt: { tokens: [5, 6, 7] }, max_tokens: 1 });
      const { started, ids } = await b.generate({ ...STORY, continue: { tokens, state: { url } } });
      assert.equal(started?.used_state, true);
      assert.deepEqual(ids, expected.slice(20));
    }
  });

  void test("that are rubbish, cut off, or never come, are done without", async () => {
    await using b = await startWorker({ handover: { transferMs: 300 } });
    const fingerprint = await fingerprintOf(b);
    const expected = await whole(b);
    const tokens = expected.slice(0, 20);
    const bodies: ((response: ServerResponse) => void)[] = [
      (response) => response.end("rubbish"),
      (response) => response.end(),
      (response) => {
        response.writeHead(200, { [FINGERPRINT]: fingerprint, "content-length": 1_000 });
        response.write("x", () => response.destroy());
      },
      (response) => response.destroy(),
      () => {},
    ];
    for (const send of bodies) {
      await using other = await FakeWorker.start((response) => {
        response.setHeader(FINGERPRINT, fingerprint);
        send(response);
      });
      const state = { url: `${other.url}${statePath("x")}` };
      await b.generate({ n: 4, prompt: { tokens: [5, 6, 7] }, max_tokens: 1 });
      const { started, ids } = await b.generate({ ...STORY, continue: { tokens, state } });
      assert.equal(started?.used_state, false);
      assert.deepEqual(ids, expected.slice(20));
    }
  });

  void test("are not waited for when the generation is cancelled", async () => {
    await using b = await startWorker({ handover: { transferMs: 3_600_000 }, model: { slots: 1 } });
    await using hangs = await FakeWorker.start(() => {});
    const state = { url: `${hangs.url}${statePath("x")}` };
    const reader = await b.open({ ...STORY, continue: { tokens: [5, 6], state } });
    await hangs.asked;
    await b.call("DELETE", `/worker/generate/${reader.id}`);
    assert.equal((await reader.rest()).done?.finish_reason, "cancelled");
    assert.ok((await b.generate()).done, "the only slot is free");
  });

  void test("are fetched from hosts that the worker was told of, and no others", async () => {
    await using b = await startWorker({ handover: { hosts: ["worker.invalid"] } });
    const told = await b.generate({ ...STORY, continue: from("worker.invalid") });
    assert.equal(told.started?.used_state, false);
    const body = generateBody({ ...STORY, continue: from("other.invalid") });
    assert.equal((await b.call("POST", "/worker/generate", body)).body.error.param, "continue.state.url");
  });
});

function* endless(): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) yield chunk;
}

/** Answers every call for a state in one way. */
class FakeWorker implements AsyncDisposable {
  readonly url: string;
  /** Resolves when somebody has called. */
  readonly asked: Promise<unknown>;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.asked = once(server, "request");
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(answer: (response: ServerResponse) => void): Promise<FakeWorker> {
    const server = createServer((_, response) => answer(response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeWorker(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
