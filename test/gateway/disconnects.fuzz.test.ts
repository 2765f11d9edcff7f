import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

/** How far a call gets before its client hangs up: bytes of the request sent, then tokens generated. */
interface Departure {
  stream: boolean;
  /** Part of the request that is sent, in thousandths; 1000 is all of it. */
  sent: number;
  /** Tokens generated before it leaves; only counts when all was sent. */
  tokens: number;
}

describe("clients that hang up anywhere", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakeWorker.start({ slots: 64 });
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  async function depart({ stream, sent, tokens }: Departure): Promise<void> {
    const body = JSON.stringify(chatBody({ stream }));
    const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const socket = await gateway.connect();
    socket.on("error", () => {});
    socket.write(request.slice(0, Math.floor((request.length * sent) / 1_000)));
    if (sent < 1_000) {
      socket.destroy();
      return;
    }
    const generation = await worker.next();
    if (tokens > 0) generation.started();
    for (let token = 1; token < tokens; token += 1) {
      generation.token("x");
      await setImmediate();
    }
    socket.destroy();
    assert.equal(await generation.call.closed, false);
  }

  it("leave no request, no attempt and no generation behind", async () => {
    const departure = fc.record({
      stream: fc.boolean(),
      sent: fc.oneof(fc.nat({ max: 999 }), fc.constant(1_000)),
      tokens: fc.nat({ max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(departure, { minLength: 1, maxLength: 8 }), async (departures) => {
        const settledBefore = gateway.settled.length;
        await Promise.all(departures.map(depart));
        await gateway.quiet();
        const whole = departures.filter(({ sent }) => sent === 1_000);
        const settled = gateway.settled.slice(settledBefore);
        assert.deepEqual(
          settled.map(({ outcome }) => outcome),
          whole.map(() => "abandoned"),
        );
        assert.equal(worker.server.unread, 0);
      }),
      { numRuns: 50 },
    );
    const { sessions, kv_reserved: kv } = await gauges();
    assert.deepEqual({ sessions, kv }, { sessions: 0, kv: 0 });
  });

  async function gauges(): Promise<{ sessions: number; kv_reserved: number }> {
    const status = (await (await gateway.get("/headgate/status")).json()) as Record<string, number>;
    return { sessions: status["sessions"] ?? -1, kv_reserved: status["kvBytes"] ?? -1 };
  }
});
