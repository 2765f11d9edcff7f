import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { TestGateway } from "../gateway/running-gateway.ts";
import { startTestHeadgate, type TestHeadgate, until } from "../system/headgate.ts";
import { answerOf, eventsOf, infer } from "./infer-client.ts";

/** A worker of ours that another coordinator takes for one of another kind: it knows the old words, too. */

const path = fileURLToPath(new URL("../../models/headgate-4m.gguf", import.meta.url));
const QUESTION = { prompt: "What is the capital of France?", model: "headgate-4m", max_tokens: 64 };
const STORY = { ...QUESTION, prompt: "Tell me a long story about a fox named Lila.", max_tokens: 400 };

let headgate: TestHeadgate;
let gateway: TestGateway;
before(async () => {
  headgate = await startTestHeadgate({
    workers: ["one"],
    sections: {
      models: { "headgate-4m": { path, slots: 4 } },
      aliases: {},
      workers: [{ id: "one", models: ["headgate-4m"], threads: 1 }],
      default_price: { input: 1, output: 1 },
    },
  });
  gateway = await TestGateway.start();
  const response = await fetch(`${gateway.url}/coordinator/health/heartbeat`, {
    method: "POST",
    body: JSON.stringify({
      worker_id: "one",
      worker_url: headgate.workerUrl("one"),
      timestamp: Date.now(),
      health: { alive: true, active_sessions: 0, kv_cache_bytes: 0 },
    }),
  });
  assert.equal(response.status, 200);
});
after(async () => {
  await gateway.close();
  await headgate.stop();
});

async function activeSessions(): Promise<number> {
  const health = await fetch(new URL("/worker/health", headgate.workerUrl("one")));
  return ((await health.json()) as { active_sessions: number }).active_sessions;
}

test("answers through prefill and decode, several requests at the same time", async () => {
  const answers = await Promise.all(
    Array.from({ length: 4 }, async () => answerOf(await infer(gateway.url, QUESTION))),
  );
  for (const answer of answers) assert.match(answer, /Paris/);
  assert.equal(await activeSessions(), 0);
});

test("answers chat completions", async () => {
  const { choices } = await gateway.client.chat.completions.create({
    model: QUESTION.model,
    messages: [{ role: "user", content: QUESTION.prompt }],
  });
  assert.match(choices[0]?.message.content ?? "", /Paris/);
});

test("ends where max_tokens ends", async () => {
  const { choices, usage } = await gateway.client.chat.completions.create({
    model: STORY.model,
    messages: [{ role: "user", content: STORY.prompt }],
    max_tokens: 5,
  });
  assert.equal(choices[0]?.finish_reason, "length");
  assert.equal(usage?.completion_tokens, 5);
});

test("fault 4: a client that leaves stops the generation on the worker", async () => {
  for await (const _ of eventsOf(await infer(gateway.url, STORY))) break;
  await gateway.quiet();
  await until(async () => (await activeSessions()) === 0);
});

test("is asked again when it has room again", async () => {
  const answers = Array.from({ length: 12 }, async () => answerOf(await infer(gateway.url, QUESTION)));
  for (const answer of await Promise.all(answers)) assert.match(answer, /Paris/);
});
