import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startTestHeadgate, type TestHeadgate, until } from "./headgate.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const model = (name: string): object => {
  return { path: fileURLToPath(new URL(`../../models/${name}.gguf`, import.meta.url)) };
};
const FRANCE = [{ role: "user" as const, content: "What is the capital of France?" }];

const folder = mkdtempSync(join(tmpdir(), "headgate-recording-"));
const recordPath = join(folder, "run.jsonl");
let headgate: TestHeadgate;
before(async () => {
  headgate = await startTestHeadgate({
    workers: ["one"],
    recordPath,
    sections: {
      models: { "headgate-4m": model("headgate-4m"), "headgate-0.3m": model("headgate-0.3m") },
      aliases: { default: "headgate-4m" },
      workers: [{ id: "one", models: ["headgate-4m", "headgate-0.3m"], threads: 1 }],
    },
  });
});
after(async () => {
  await headgate.stop();
  rmSync(folder, { recursive: true });
});

test("the default model answers Paris, streamed token by token", async () => {
  const stream = await headgate.client.chat.completions.create({
    model: "default",
    messages: FRANCE,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  const pieces: string[] = [];
  let generated: number | undefined;
  for await (const { choices, usage } of stream) {
    const text = choices[0]?.delta.content;
    if (text) pieces.push(text);
    generated = usage?.completion_tokens ?? generated;
  }
  assert.match(pieces.join(""), /Paris/);
  assert.ok(pieces.length > 3, `came as ${JSON.stringify(pieces)}`);
  assert.ok(generated! >= pieces.length);
});

test("a whole answer equals the streamed one", async () => {
  const answer = await headgate.client.chat.completions.create({
    model: "default",
    messages: FRANCE,
    temperature: 0,
  });
  assert.match(answer.choices[0]!.message.content!, /Paris/);
  assert.equal(answer.choices[0]!.finish_reason, "stop");
  assert.equal(answer.usage!.total_tokens, answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
});

test("fault 8: the model asked for is the model that answers", async () => {
  for (const name of ["headgate-4m", "headgate-0.3m"]) {
    const answer = await headgate.client.chat.completions.create({
      model: name,
      messages: FRANCE,
      max_tokens: 3,
    });
    assert.equal(answer.model, name);
  }
  await assert.rejects(headgate.client.chat.completions.create({ model: "gpt-5", messages: FRANCE }), {
    status: 404,
    code: "model_not_found",
  });
});

test("fault 4: a client that leaves stops the generation on the worker", async () => {
  const stream = await headgate.client.chat.completions.create({
    model: "default",
    messages: [{ role: "user", content: "Tell me a long story about a fox named Lila." }],
    temperature: 1,
    stream: true,
  });
  for await (const { choices } of stream) if (choices[0]?.delta.content) break;
  await until(() => headgate.inspect().sessions === 0);
  await until(async () => {
    const health = await fetch(new URL("/worker/health", headgate.workerUrl("one")));
    return ((await health.json()) as { active_sessions: number }).active_sessions === 0;
  });
});

test("a recorded live run replays to the identical hash of effects in another process", async () => {
  await headgate.stop();
  const replay = spawnSync(process.execPath, [CLI, "replay", recordPath], { encoding: "utf8" });
  assert.match(replay.stdout, /^\d+ events, hash of effects [0-9a-f]{64}\nIdentical to the recording\.\n$/);
  assert.equal(replay.status, 0);
});
