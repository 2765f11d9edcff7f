import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { GenerationEvent } from "../../src/worker/wire.ts";
import type { WorkerClient } from "./harness.ts";
import { eventually, generateBody, GREEDY, startWorker } from "./harness.ts";

const EVALUATED = "headgate_worker_evaluated_tokens_total";
const STORY = {
  messages: [{ role: "user", content: "Tell me a long story about a fox named Lila. ".repeat(6) }],
};
/** Asked before a test sets another. */
const TEMPORARY = tmpdir();
const SAMPLED = { temperature: 1.3, seed: 70 };

/** The ids of each choice, and that their events are numbered without a gap. */
function idsOf(events: readonly GenerationEvent[], count: number): number[][] {
  const ids: number[][] = Array.from({ length: count }, () => []);
  for (const event of events) {
    if (event.type !== "tokens") continue;
    const own = ids[event.choice ?? -1];
    assert.ok(own, `choice ${event.choice}`);
    assert.equal(event.seq, own.length);
    own.push(...event.ids);
  }
  return ids;
}

void describe("choices", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker({ model: { slots: 4 }, timing: { creditTtlMs: 60_000 } });
  });
  after(() => worker.close());

  void test("evaluate the prompt once, and are equal at temperature 0", async () => {
    await using fresh = await startWorker({ model: { slots: 4 } });
    const body = { prompt: STORY, n: 4, max_tokens: 12, ignore_eos: true };
    const { events, started, done } = await fresh.generate(body);
    const ids = idsOf(events, 4);
    const alone = await fresh.generate({ ...body, n: 1 });
    assert.deepEqual(ids, [alone.ids, alone.ids, alone.ids, alone.ids]);
    const prompt = started?.prompt_tokens ?? 0;
    assert.ok(prompt > 64);
    assert.deepEqual(done?.usage, { prompt_tokens: prompt, cached_tokens: 0, completion_tokens: 48 });
    // All of the prompt but its last token, then a token for each that was given out; and then the
    // one that was alone, whose prompt was there already.
    assert.equal(await fresh.metric(EVALUATED), prompt - 1 + 48 + 12);
    assert.equal(await fresh.metric("vllm:prompt_tokens_total"), 2 * prompt);
  });

  void test("build on what a slot keeps, which the usage tells", async () => {
    await using fresh = await startWorker({ model: { slots: 3 } });
    const body = { prompt: STORY, max_tokens: 4, ignore_eos: true };
    const { started } = await fresh.generate(body);
    const prompt = started?.prompt_tokens ?? 0;
    const evaluated = await fresh.metric(EVALUATED);
    const again = await fresh.generate({ ...body, n: 3 });
    assert.equal(again.done?.usage.cached_tokens, prompt - 1);
    assert.equal(await fresh.metric(EVALUATED), evaluated + 12);
  });

  void test("have seeds that count up, so that each can be had alone", async () => {
    const body = { prompt: STORY, max_tokens: 30, ignore_eos: true };
    const { events } = await worker.generate({ ...body, n: 3, sampling: SAMPLED });
    const ids = idsOf(events, 3);
    for (const [choice, own] of ids.entries()) {
      const alone = await worker.generate({ ...body, sampling: { ...SAMPLED, seed: 70 + choice } });
      assert.deepEqual(own, alone.ids, `choice ${choice}`);
    }
    assert.equal(new Set(ids.map((own) => own.join())).size, 3);
  });

  void test("tell when each is finished, and once when all are done", async () => {
    const { events, done } = await worker.generate({
      n: 3,
      max_tokens: 60,
      sampling: { temperature: 1.5, seed: 3 },
    });
    assert.equal(events.filter((event) => event.type === "started").length, 1);
    const finished = events.filter((event) => event.type === "finished");
    assert.deepEqual(new Set(finished.map(({ choice }) => choice)), new Set([0, 1, 2]));
    assert.equal(finished.length, 3);
    assert.ok(done);
    assert.equal(done.finish_reason, finished.at(-1)?.finish_reason);
    assert.equal(events.filter((event) => event.type === "done").length, 1);
    assert.equal(done.usage.completion_tokens, idsOf(events, 3).flat().length);
  });

  void test("each have the credit, and a top-up raises that of all", async () => {
    const body = { n: 2, max_tokens: 20, ignore_eos: true, sampling: SAMPLED };
    const whole = await worker.generate(body);
    const reader = await worker.open({ ...body, credit: 7 });
    const events = [...(await reader.until("credit")), ...(await reader.until("credit"))];
    const halts = events.filter((event) => event.type === "credit");
    assert.deepEqual(new Set(halts.map(({ choice }) => choice)), new Set([0, 1]));
    for (const { used } of halts) assert.equal(used, 7);
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 20 });
    events.push(...(await reader.rest()).events);
    assert.deepEqual(idsOf(events, 2), idsOf(whole.events, 2));
  });

  void test("take a session, a slot and KV cache each, and give all back", async () => {
    const alone = await worker.open({ credit: 0 });
    const bytesOfOne = (await worker.health())["kv_cache_bytes"] as number;
    await worker.call("DELETE", `/worker/generate/${alone.id}`);
    await alone.rest();
    const reader = await worker.open({ n: 3, credit: 2, ignore_eos: true });
    for (const _ of "123") await reader.until("credit");
    const health = await worker.health();
    assert.deepEqual([health["active_sessions"], health["kv_cache_bytes"]], [3, 3 * bytesOfOne]);
    const refused = await worker.call("POST", "/worker/generate", generateBody({ n: 2 }));
    assert.deepEqual([refused.status, refused.body.reason], [503, "max_sessions_exceeded"]);
    await worker.call("DELETE", `/worker/generate/${reader.id}`);
    const { done } = await reader.rest();
    assert.equal(done?.finish_reason, "cancelled");
    assert.equal(done.usage.completion_tokens, 6);
    assert.equal((await worker.health())["active_sessions"], 0);
    assert.ok((await worker.generate({ n: 4 })).done);
  });

  void test("end with their reader, at any point", async () => {
    for (const credit of [0, 3, 200]) {
      const reader = await worker.open({ n: 4, prompt: STORY, max_tokens: 200, credit, ignore_eos: true });
      await reader.next();
      reader.leave();
      await eventually(async () => (await worker.health())["active_sessions"] === 0);
    }
    assert.ok((await worker.generate({ n: 4 })).done);
  });

  void test("more than there are slots is a mistake of the request", async () => {
    const answer = await worker.call("POST", "/worker/generate", generateBody({ n: 5 }));
    assert.deepEqual([answer.status, answer.body.error.param], [400, "n"]);
  });
});

void describe("copies of a prompt's KV cache", () => {
  const TMPDIR = process.env["TMPDIR"];
  after(() => {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  });

  void test("leave no file behind", async () => {
    const folder = await mkdtemp(join(TEMPORARY, "choices-test-"));
    process.env["TMPDIR"] = folder;
    await using worker = await startWorker();
    await worker.generate({ n: 3, prompt: STORY });
    const reader = await worker.open({ n: 4, prompt: STORY, ignore_eos: true, max_tokens: 200 });
    reader.leave();
    await eventually(async () => (await worker.health())["active_sessions"] === 0);
    assert.deepEqual(await readdir(folder), []);
    await rm(folder, { recursive: true });
  });

  void test("that a killed process left are removed by the next worker, those of a living one not", async () => {
    const folder = await mkdtemp(join(TEMPORARY, "choices-test-"));
    process.env["TMPDIR"] = folder;
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const kept = [`headgate-kv-${process.pid}-abc123`, "headgate-kv-notes", "something-else"];
    for (const name of [...kept, `headgate-kv-${pid}-abc123`]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "state"), "KV cache");
    }
    await using worker = await startWorker();
    assert.deepEqual((await readdir(folder)).toSorted(), kept.toSorted());
    assert.ok((await worker.generate({ n: 2, prompt: STORY })).done);
    await rm(folder, { recursive: true });
  });

  void test("where none can be made, each choice evaluates the prompt, and nobody can tell", async () => {
    process.env["TMPDIR"] = "/nonexistent";
    await using worker = await startWorker();
    const body = { prompt: STORY, n: 3, max_tokens: 10, ignore_eos: true, sampling: GREEDY };
    const { events, done } = await worker.generate(body);
    const ids = idsOf(events, 3);
    const prompt = done?.usage.prompt_tokens ?? 0;
    assert.deepEqual(done?.usage, { prompt_tokens: prompt, cached_tokens: 0, completion_tokens: 30 });
    assert.equal(await worker.metric(EVALUATED), 3 * (prompt - 1) + 30);
    assert.deepEqual(ids, [ids[0], ids[0], ids[0]]);
  });
});
