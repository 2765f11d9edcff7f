import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startFleet } from "./fleet.ts";
import { read } from "./reading.ts";

const MODEL = "headgate-0.3m";
const OPEN_SECONDS = 1;
const ANSWER = { index: 0, delta: { content: "Hello." }, finish_reason: "stop" };
const FRAMES = [
  { id: "1", object: "chat.completion.chunk", created: 1, model: MODEL, choices: [ANSWER] },
  {
    id: "1",
    object: "chat.completion.chunk",
    created: 1,
    model: MODEL,
    choices: [],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  },
];

/** A server of OpenAI's dialect that answers or fails as it is told. */
async function startFlaky(): Promise<{
  url: string;
  state: { isBroken: boolean; calls: number };
  close: () => void;
}> {
  const state = { isBroken: true, calls: 0 };
  const server = createServer((request, response) => {
    state.calls++;
    request.resume();
    if (state.isBroken) return void response.writeHead(500).end('{"error":{"message":"Something broke."}}');
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(
      [...FRAMES.map((frame) => JSON.stringify(frame)), "[DONE]"].map((data) => `data: ${data}\n\n`).join(""),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, state, close: () => void server.close() };
}

test("an endpoint that keeps failing is left alone for a while, tried, and used again, and no client notices", async () => {
  const flaky = await startFlaky();
  const fleet = await startFleet({
    model: MODEL,
    workers: [{}],
    sections: {
      remotes: [{ name: "flaky", url: flaky.url, models: { [MODEL]: MODEL } }],
      tail: { breaker: { failures: 3, successes: 2, open: OPEN_SECONDS }, backoff: { base: 0, max: 0 } },
    },
  });
  try {
    const ask = () =>
      read(fleet.headgate.client, { messages: [{ role: "user", content: "Hello" }], max_tokens: 4 });
    while (flaky.state.calls < 3) await ask();
    for (let i = 0; i < 10; i++) await ask();
    flaky.state.isBroken = false;
    const { calls } = flaky.state;
    while (flaky.state.calls < calls + 4) await ask();

    const { requests } = await fleet.finish();
    const sent = [...requests.values()].flatMap(({ attempts }) => attempts);
    const flakyOnes = sent.filter(({ dispatch }) => dispatch.worker === "flaky");
    for (const { record } of requests.values()) assert.equal(record?.outcome, "completed");
    for (const [i, attempt] of flakyOnes.entries()) {
      if (attempt.left !== "endpoint_error" || i < 2) continue;
      const next = flakyOnes[i + 1]!;
      assert.ok(
        next.dispatchedUs - attempt.leftUs! >= OPEN_SECONDS * 1_000_000,
        `tried again after failure ${i}`,
      );
    }
  } finally {
    await fleet.remove();
    flaky.close();
  }
});
