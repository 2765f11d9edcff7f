import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import type { CacheReport } from "../../src/worker/cache/cache-reports.ts";
import { eventually, startWorker } from "./harness.ts";

interface Report {
  path: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- The test looks into the report as it came.
  body: any;
}

void describe("heartbeats", () => {
  void test("register at once, follow the sessions, and say good-bye", async () => {
    await using supervisor = await FakeSupervisor.start("sup-1");
    await using worker = await startWorker({
      workerId: "w1",
      supervisors: [supervisor.url],
      timing: { heartbeatMs: 3_600_000, heartbeatDebounceMs: 1 },
    });
    await eventually(() => supervisor.reports.length > 0);
    const { body } = supervisor.reports[0] ?? assert.fail();
    assert.equal(body.worker_id, "w1");
    assert.equal(body.worker_url, worker.worker.url);
    assert.ok(Math.abs(body.timestamp - Date.now()) < 60_000);
    assert.deepEqual(body.health, { alive: true, active_sessions: 0, kv_cache_bytes: 0 });
    assert.deepEqual([body.draining, body.own_sessions, body.progress], [false, 0, 0]);
    assert.deepEqual([body.role, body.labels], ["both", {}]);
    const [{ model_hash: hash, state_fingerprint: fingerprint, ...model }] = body.models;
    assert.deepEqual(model, {
      model: "tiny",
      context_tokens: 512,
      slots: 4,
      gpus: 1,
      kv_bytes_per_token: 256,
      running: 0,
      waiting: 0,
    });
    // As `sha256sum` has it.
    assert.equal(hash, "sha256:25bff3420b203d253cd74dae2ec3395fc10d15ead3c636647633990b887b2cbe");
    assert.match(fingerprint, /^kv1\/25bff3420b203d253cd74dae\/[^/ ]+-cpu\/seq4\/F16-F16\/fa-false$/);

    const ours = await worker.open({ supervisor: "sup-1", credit: 0 });
    const theirs = await worker.open({ supervisor: "sup-2", credit: 0 });
    await eventually(() => supervisor.latest().health.active_sessions === 2);
    assert.equal(supervisor.latest().own_sessions, 1);
    assert.ok(supervisor.latest().health.kv_cache_bytes > 0);
    ours.leave();
    theirs.leave();
    await eventually(() => supervisor.latest().health.active_sessions === 0);

    const epoch = body.epoch as string;
    await worker.close();
    const last = supervisor.reports.at(-1);
    assert.equal(last?.path, "/coordinator/health/deregister");
    assert.deepEqual(last.body, { worker_id: "w1", epoch });
  });

  void test("tell what the worker is used for and what it is", async () => {
    await using supervisor = await FakeSupervisor.start("sup-1");
    const labels = { region: "eu", capability: "tools,vision" };
    await using _ = await startWorker({ supervisors: [supervisor.url], role: "prefill", labels });
    await eventually(() => supervisor.reports.length > 0);
    const { body } = supervisor.reports[0] ?? assert.fail();
    assert.deepEqual([body.role, body.labels], ["prefill", labels]);
  });

  void test("tell at once that the worker drains", async () => {
    await using supervisor = await FakeSupervisor.start("sup-1");
    await using worker = await startWorker({
      supervisors: [supervisor.url],
      timing: { heartbeatMs: 3_600_000 },
    });
    await eventually(() => supervisor.reports.length > 0);
    const reader = await worker.open({ max_tokens: 2, credit: 0, ignore_eos: true });
    const drained = worker.worker.drain({ deadlineMs: 60_000 });
    await eventually(() => supervisor.latest().draining === true);
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 2 });
    assert.equal((await reader.rest()).done?.finish_reason, "length");
    await drained;
  });

  void test("go to each supervisor; one that is down or hangs holds up nothing", async () => {
    await using up = await FakeSupervisor.start("up");
    await using hangs = await FakeSupervisor.start(null);
    await using worker = await startWorker({
      supervisors: ["http://127.0.0.1:9", hangs.url, up.url],
      timing: { heartbeatMs: 5 },
    });
    await eventually(() => up.reports.length >= 10);
    assert.ok(hangs.reports.length < up.reports.length, "the next report waits for the answer to the last");
    assert.ok((await worker.generate()).done);
    hangs.release();
  });

  void test("tell which prefixes a prompt would find: all, then changes, and all again when asked", async () => {
    await using supervisor = await FakeSupervisor.start("sup-1");
    await using worker = await startWorker({
      model: { slots: 2 },
      supervisors: [supervisor.url],
      timing: { heartbeatMs: 5, heartbeatDebounceMs: 1 },
    });
    const reports = (): CacheReport[] =>
      supervisor.reports.filter(({ path }) => path.endsWith("heartbeat")).map(({ body }) => body.cache);
    const changes = () => reports().filter(({ stored, removed }) => stored.length + removed.length > 0);
    await eventually(() => reports().length > 0);
    const prompt = {
      messages: [{ role: "user", content: "Tell me a story of a fox named Lila. ".repeat(16) }],
    };
    const { body } = await worker.call("POST", "/worker/tokenize", { model: "tiny", prompt });
    const blocks = body.blocks as number[];
    assert.ok(blocks.length > 1);
    await worker.generate({ prompt, max_tokens: 1 });
    await eventually(() => changes().length > 0);
    // Two short prompts take the slots over.
    await worker.generate({ n: 2, prompt: { tokens: [5, 6, 7] }, max_tokens: 1 });
    await eventually(() => changes().length > 1);
    assert.deepEqual(
      changes().map(({ stored, removed }) => [stored, removed]),
      [
        [blocks, []],
        [[], blocks],
      ],
    );
    assert.deepEqual(
      reports().map(({ sequence }) => sequence),
      [...reports().keys()],
    );
    supervisor.answer = { cache: "all" };
    const length = reports().length;
    await eventually(() => reports().length > length + 2);
    assert.deepEqual(reports().at(-1), { sequence: 0, stored: [], removed: [] });
  });

  void test("tell how far the engine has come, and who waits for it", async () => {
    await using supervisor = await FakeSupervisor.start("sup-1");
    await using worker = await startWorker({ supervisors: [supervisor.url], timing: { heartbeatMs: 5 } });
    const reader = await worker.open({ max_tokens: 20, credit: 5, ignore_eos: true });
    const events = await reader.until("credit");
    await eventually(() => supervisor.latest()?.models[0].waiting === 1);
    const { progress, models } = supervisor.latest();
    assert.equal(models[0].running, 0);
    const [started] = events;
    assert.ok(started?.type === "started");
    // The token given out last is evaluated when the next is asked for.
    assert.equal(progress, started.prompt_tokens + 4);
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 20 });
    await reader.rest();
    await eventually(() => supervisor.latest().progress === started.prompt_tokens + 19);
  });

  void test("find a supervisor that starts later", async () => {
    const late = await FakeSupervisor.start("late");
    const { url, port } = late;
    await late[Symbol.asyncDispose]();
    await using worker = await startWorker({ supervisors: [url], timing: { heartbeatMs: 20 } });
    assert.equal((await worker.health())["status"], "ok");
    await using again = await FakeSupervisor.start("late", port);
    await eventually(() => again.reports.length > 0);
  });
});

/** Takes reports; without a name it never answers them, until it is released. */
class FakeSupervisor implements AsyncDisposable {
  readonly reports: Report[] = [];
  readonly #server: Server;
  readonly #name: string | null;
  readonly #unanswered: ServerResponse[] = [];
  /** Said beside the usual. */
  answer: object = {};

  private constructor(name: string | null) {
    this.#name = name;
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(name: string | null, port = 0): Promise<FakeSupervisor> {
    const supervisor = new FakeSupervisor(name);
    supervisor.#server.listen(port, "127.0.0.1");
    await once(supervisor.#server, "listening");
    return supervisor;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The last heartbeat. */
  latest(): Report["body"] {
    return this.reports.findLast((report) => report.path.endsWith("heartbeat"))?.body;
  }

  release(): void {
    for (const response of this.#unanswered) response.end('{"ack":true}');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await request.setEncoding("utf8").toArray()).join("");
    this.reports.push({ path: request.url ?? "", body: JSON.parse(text) });
    if (this.#name === null) this.#unanswered.push(response);
    else response.end(JSON.stringify({ ack: true, supervisor: this.#name, ...this.answer }));
  }
}
