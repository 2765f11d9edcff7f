import assert from "node:assert/strict";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import type { FakeGeneration } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const TEXT = "x".repeat(64 * 1024);

/** Asks for a stream over a bare connection, and does not read the answer. */
async function askWithoutReading(gateway: TestGateway): Promise<ReturnType<TestGateway["connect"]>> {
  const socket = await gateway.connect();
  const body = JSON.stringify(chatBody({ stream: true, max_tokens: 3_000 }));
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

/** Generates until the gateway stops reading: then what the worker writes stays with it. */
async function generateUntilPaused(generation: FakeGeneration): Promise<number> {
  const { response } = generation.call;
  let tokens = 0;
  let turnsWithoutProgress = 0;
  while (turnsWithoutProgress < 200) {
    if (response.writableNeedDrain) {
      turnsWithoutProgress += 1;
    } else {
      turnsWithoutProgress = 0;
      generation.token(TEXT);
      tokens += 1;
    }
    await setImmediate();
  }
  return tokens;
}

describe("a client that does not read", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start({ timeouts: { slowClientUs: 1_500 * MICROS_PER_MILLI } });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  it("stops its own worker's stream, others go on, and it is dropped in the end", async () => {
    const socket = await askWithoutReading(gateway);
    const generation = await worker.next();
    generation.started();
    await generateUntilPaused(generation);

    const other = gateway.post(chatBody());
    (await worker.next()).say("ok");
    assert.equal((await other).status, 200);

    assert.equal(await generation.call.closed, false);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.outcome, "dropped");
    socket.destroy();
  });

  it("gets everything, in order, when it reads on in time", async () => {
    const socket = await askWithoutReading(gateway);
    const generation = await worker.next();
    generation.started();
    const tokens = await generateUntilPaused(generation);
    let bytes = 0;
    let tail = "";
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString("latin1")).slice(-200);
    });
    generation.token("the end");
    generation.done();
    await once(socket, "close");
    assert.ok(bytes > tokens * TEXT.length);
    assert.match(tail, /"finish_reason":"stop".*data: \[DONE\]\n\n\r\n0\r\n\r\n$/s);
    await gateway.quiet();
    const settled = gateway.settled.at(-1);
    assert.equal(settled?.outcome, "completed");
    assert.equal(settled?.usage.completionTokens, tokens + 1);
  });
});
