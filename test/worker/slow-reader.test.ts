import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import type { Duplex } from "node:stream";
import { after, before, describe, test } from "node:test";
import type { Engine } from "../../src/worker/engine.ts";
import { createWorkerServer } from "../../src/worker/http/server.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import type { WorkerTiming } from "../../src/worker/options.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { assembleWorker } from "../../src/worker/worker.ts";
import { eventually, generateBody, MODEL, SILENT } from "./harness.ts";

const LONG = { max_tokens: 400, ignore_eos: true };

/**
 * Real sockets hide a slow reader behind megabytes of kernel buffers. Here the connection is a
 * pair of streams with small buffers, and HTTP on top of it is the real one.
 */
void describe("a slow reader", () => {
  let engine: Engine;
  before(async () => {
    engine = await loadLlamaEngine({
      models: [MODEL],
      engine: { threads: 1 },
      log: SILENT,
      onProgress: () => {},
    });
  });
  after(() => engine.close());

  void test("pauses its own sequence only, which later is what it would have been", async () => {
    const worker = assemble(engine, { slowReaderMs: 60_000 });
    const whole = await readAll(connect(worker, LONG));
    const slow = connect(worker, LONG);
    const evaluated = await standstill(engine);
    assert.equal(worker.sessions.active, 1, "it is not over");
    const others = await Promise.all([readAll(connect(worker, LONG)), readAll(connect(worker, LONG))]);
    assert.ok(others.every((text) => text.includes('"done"')));
    assert.equal(worker.sessions.active, 1, "the slow one still waits");
    assert.ok(evaluated > 0);
    const late = await readAll(slow);
    assert.deepEqual(idsIn(late).slice(0, 20), idsIn(whole).slice(0, 20));
    assert.equal(idsIn(late).length, 400);
    assert.equal(worker.sessions.active, 0);
  });

  void test("is dropped after the deadline, and its slot is free", async () => {
    const worker = assemble(engine, { slowReaderMs: 20 });
    const slow = connect(worker, LONG);
    await eventually(() => worker.sessions.active === 1);
    await eventually(() => worker.sessions.active === 0);
    assert.equal(worker.sessions.kvBytes, 0);
    assert.ok(!(await readAll(slow)).includes('"done"'), "the answer was cut off");
  });
});

function assemble(engine: Engine, timing: Partial<WorkerTiming>): Worker {
  return assembleWorker({
    receipts: null,
    engine,
    options: { models: [], timing, log: SILENT },
    onChange: () => {},
  });
}

/** Sends the request; the answer waits in the returned stream until somebody reads it. */
function connect(worker: Worker, overrides: Record<string, unknown>): Duplex {
  const [client, server] = duplexPair({ highWaterMark: 1_024 });
  createWorkerServer(worker).emit("connection", server);
  const body = JSON.stringify(generateBody(overrides));
  client.write(
    `POST /worker/generate HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return client;
}

async function readAll(stream: Duplex): Promise<string> {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(stream, "end");
  return text;
}

function idsIn(answer: string): string[] {
  return [...answer.matchAll(/"ids":\[(\d+)\]/g)].map((match) => match[1] ?? "");
}

/** Waits until the engine evaluates nothing more: many turns of the event loop without a token. */
async function standstill(engine: Engine): Promise<number> {
  let last = -1;
  let turns = 0;
  await eventually(() => {
    const evaluated = engine.models[0]?.counters.evaluatedTokens ?? 0;
    turns = evaluated === last ? turns + 1 : 0;
    last = evaluated;
    return turns > 20_000;
  });
  return last;
}
