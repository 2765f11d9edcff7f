import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { startTestHeadgate, type TestHeadgate, until } from "./headgate.ts";

const BODY = JSON.stringify({
  model: "default",
  stream: true,
  temperature: 1,
  messages: [{ role: "user", content: "Tell me a long story about a fox named Lila." }],
});
const REQUEST = [
  "POST /v1/chat/completions HTTP/1.1",
  "host: localhost",
  "connection: close",
  "content-type: application/json",
  `content-length: ${Buffer.byteLength(BODY)}`,
  "",
  BODY,
].join("\r\n");

/** How far a client gets before it leaves: bytes sent, and if all were sent, bytes read. */
interface Departure {
  sent: number;
  read: number;
}

let headgate: TestHeadgate;
before(async () => {
  headgate = await startTestHeadgate({ workers: ["one"] });
});
after(() => headgate.stop());

async function leave({ sent, read }: Departure): Promise<void> {
  const { hostname, port } = new URL(headgate.url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  const closed = once(socket, "close");
  if (sent > 0) await new Promise((resolve) => socket.write(REQUEST.slice(0, sent), resolve));
  if (sent === REQUEST.length) {
    let left = read;
    const enough = new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        left -= chunk.length;
        if (left <= 0) resolve();
      });
    });
    if (left > 0) await Promise.race([enough, closed]);
  }
  socket.destroy();
}

test("clients that leave at any point leave nothing behind, on either side", async () => {
  const departure = fc.record({
    sent: fc.oneof(fc.nat(REQUEST.length), fc.constant(REQUEST.length)),
    read: fc.nat(20_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(departure, { minLength: 1, maxLength: 20 }), async (departures) => {
      await Promise.all(departures.map(leave));
      await until(() => headgate.inspect().requests === 0);
      const { sessions, openHolds, kvBytes, queue } = headgate.inspect();
      assert.deepEqual(
        { sessions, openHolds, kvBytes, packets: queue.packets, bytes: queue.bytes },
        { sessions: 0, openHolds: 0, kvBytes: 0, packets: 0, bytes: 0 },
      );
      await until(async () => {
        const health = await fetch(new URL("/worker/health", headgate.workerUrl("one")));
        return ((await health.json()) as { active_sessions: number }).active_sessions === 0;
      });
    }),
    { numRuns: 15 },
  );
  const answer = await headgate.client.chat.completions.create({
    model: "default",
    messages: [{ role: "user", content: "What is the capital of France?" }],
  });
  assert.equal(answer.choices.length, 1);
});
