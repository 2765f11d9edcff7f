import assert from "node:assert/strict";
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { eventually, generateBody, startWorker } from "./harness.ts";

const LONG = { max_tokens: 400, ignore_eos: true };

void describe("drain", () => {
  void test("refuses what is new, finishes what runs, and closes", async () => {
    const worker = await startWorker();
    const reader = await worker.open({ ...LONG, credit: 3 });
    const events = await reader.until("credit");
    const drained = worker.worker.drain({ deadlineMs: 60_000 });
    const refused = await worker.call("POST", "/worker/generate", generateBody());
    assert.deepEqual([refused.status, refused.body.reason], [503, "draining"]);
    const chat = await worker.call("POST", "/v1/chat/completions", {
      model: "tiny",
      messages: [{ role: "user", content: "Hello" }],
    });
    assert.deepEqual([chat.status, chat.body.error.reason], [503, "draining"]);
    assert.equal((await worker.health())["status"], "draining");
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 400 });
    events.push(...(await reader.rest()).events);
    assert.equal(events.filter((event) => event.type === "tokens").length, 400);
    await drained;
    await assert.rejects(worker.health());
  });

  void test("cancels what still runs at the deadline", async () => {
    const worker = await startWorker();
    const reader = await worker.open({ ...LONG, credit: 3 });
    await reader.until("credit");
    const [answer] = await Promise.all([reader.rest(), worker.worker.drain({ deadlineMs: 10 })]);
    assert.equal(answer.done?.finish_reason, "cancelled");
  });
});

void describe("a worker process", () => {
  void test("reports progress and readiness, and ends with 0 on SIGTERM", async () => {
    const { child, messages } = await startProcess();
    assert.ok(messages.some((message) => message["type"] === "progress" && message["fraction"] === 1));
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  void test("finishes an answer on SIGINT, and ends at once on a second signal", async () => {
    const { child, url } = await startProcess();
    // Out of credit, it would wait for a minute.
    const body = JSON.stringify(generateBody({ ...LONG, credit: 1 }));
    const answer = fetch(`${url}/worker/generate`, { method: "POST", body });
    await eventually(async () => (await activeSessions(url)) === 1);
    child.kill("SIGINT");
    await eventually(async () => (await status(url)) === "draining");
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "exit"), [1, null]);
    await (await answer).text().catch(() => {});
  });

  void test("ends when its parent goes away", async () => {
    const { child } = await startProcess();
    child.disconnect();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
});

async function startProcess(): Promise<{
  child: ChildProcess;
  url: string;
  messages: Record<string, unknown>[];
}> {
  const child = fork(resolve(import.meta.dirname, "worker-process.ts"));
  const messages: Record<string, unknown>[] = [];
  child.on("message", (message: Record<string, unknown>) => messages.push(message));
  const ready = () => messages.find((message) => message["type"] === "ready");
  await eventually(() => ready() !== undefined || child.exitCode !== null);
  return { child, url: String(ready()?.["url"]), messages };
}

async function activeSessions(url: string): Promise<unknown> {
  return ((await (await fetch(`${url}/worker/health`)).json()) as Record<string, unknown>)["active_sessions"];
}

async function status(url: string): Promise<unknown> {
  return ((await (await fetch(`${url}/worker/health`)).json()) as Record<string, unknown>)["status"];
}
