import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import OpenAI from "openai";
import { runCli } from "../cli/run.ts";
import { MODEL, SupervisorHome } from "../budget/supervisor-process.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { until } from "../system/headgate.ts";
import { isThere, knows, pidsOf, statusOfAll } from "./replicas.ts";

const REPLICAS = 2;

let home: SupervisorHome;
let worker: FakeWorker;
beforeEach(async () => {
  home = new SupervisorHome();
  worker = await FakeWorker.start({ model: MODEL });
});
afterEach(async () => {
  await worker.close();
  home.remove();
});

async function startAll(): Promise<{
  headgate: Awaited<ReturnType<SupervisorHome["start"]>>;
  pids: number[];
}> {
  const headgate = await home.start("--supervisors", String(REPLICAS));
  await worker.register(headgate.url);
  const replicas = await statusOfAll(headgate.url, REPLICAS, (status) => knows(status, worker.id));
  return { headgate, pids: pidsOf(replicas) };
}

function stream(url: string): Promise<AsyncIterable<OpenAI.ChatCompletionChunk>> {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 }).chat.completions.create({
    model: MODEL,
    stream: true,
    max_tokens: 2,
    messages: [{ role: "user", content: "Hello" }],
  });
}

test("a signal lets what runs finish, at every supervisor, and ends all of them", async () => {
  const { headgate, pids } = await startAll();
  const streams = Array.from({ length: 4 }, () => stream(headgate.url));
  const generations = [];
  while (generations.length < streams.length) generations.push(await worker.next());
  assert.equal(new Set(generations.map(({ request }) => request["supervisor"])).size, REPLICAS);
  headgate.signal("SIGTERM");
  // The terminal's Ctrl-C reaches the whole group: those who are told by the launcher have to bear it.
  for (const pid of pids) process.kill(pid, "SIGINT");
  for (const generation of generations) {
    generation.started();
    generation.token("Hel");
    generation.token("lo");
    generation.done("length");
  }
  for (const each of streams) {
    let text = "";
    for await (const { choices } of await each) text += choices[0]?.delta.content ?? "";
    assert.equal(text, "Hello");
  }
  assert.equal(await headgate.exited, 0);
  assert.deepEqual(pids.filter(isThere), []);
  assert.equal(home.entries().filter(({ operation }) => operation === "post").length, 4);
  assert.ok(home.entries().every(({ inDoubt }) => !inDoubt));
});

test("a second signal ends all of them at once", async () => {
  const { headgate, pids } = await startAll();
  // One at each: who has nothing to wait for ends at the first signal.
  const senders = new Set<unknown>();
  while (senders.size < REPLICAS) {
    stream(headgate.url).catch(() => {});
    senders.add((await worker.next()).request["supervisor"]);
  }
  headgate.signal("SIGTERM");
  await statusOfAll(headgate.url, REPLICAS, ({ draining }) => draining);
  headgate.signal("SIGTERM");
  assert.equal(await headgate.exited, 1);
  await until(() => !pids.some(isThere));
});

test("no supervisor outlives the launcher, and the next one takes the ledger over", async () => {
  const { headgate, pids } = await startAll();
  await headgate.kill();
  await until(() => !pids.some(isThere));
  const next = await home.start("--supervisors", String(REPLICAS));
  await next.stop();
  assert.equal(await next.exited, 0);
});

test("a port that is taken is said, and nothing is left behind", async (context) => {
  const taken = createServer().listen(0, "127.0.0.1");
  context.after(() => taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const given = ["--supervisors", String(REPLICAS), "--port"];
  await assert.rejects(home.start(...given, String(port)), /EADDRINUSE/);
  const free = await home.start(...given, "0");
  await free.stop();
});

test("how many there can be is said", async () => {
  for (const count of ["0", "1e1", "65", "two", "1.5"]) {
    const { code, stderr } = await runCli("up", "--supervisors", count);
    assert.equal(code, 1);
    assert.match(stderr, /--supervisors.*a whole number from 1 to 64/);
  }
  await assert.rejects(
    home.start("--supervisors", "2", "--record", "run.jsonl"),
    /--record .* --supervisors: leave one of them out/,
  );
});
