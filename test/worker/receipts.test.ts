import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Receipt } from "../../src/worker/receipts/receipts.ts";
import { Receipts } from "../../src/worker/receipts/receipts.ts";
import type { WorkerClient } from "./harness.ts";
import { eventually, generateBody, MODEL, SILENT, startWorker } from "./harness.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

const receipt = (id: string, more: Partial<Receipt> = {}): Receipt => ({
  id,
  supervisor: "s",
  model: "tiny",
  prompt_tokens: 5,
  cached_tokens: 0,
  completion_tokens: 7,
  finish_reason: "stop",
  at_ms: 1,
  ...more,
});

async function ask(worker: WorkerClient, ids: string[]): Promise<Receipt[]> {
  return (await worker.call("POST", "/worker/receipts", { ids })).body.receipts;
}

void describe("receipts", () => {
  let folder: string;
  let files = 0;
  const newPath = () => join(folder, `receipts-${++files}.jsonl`);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "receipts-test-"));
  });
  after(() => rm(folder, { recursive: true }));

  void test("tell of every generation of a supervisor what it came to, however it ended", async () => {
    await using worker = await startWorker({ receipts: newPath(), timing: { creditTtlMs: 20 } });
    const complete = await worker.generate({ id: "complete", n: 2, max_tokens: 5, ignore_eos: true });
    await worker.generate({ id: "expired", credit: 3, max_tokens: 50, ignore_eos: true });
    const cancelled = await worker.open({ id: "cancelled", credit: 400, max_tokens: 400, ignore_eos: true });
    await cancelled.next();
    await worker.call("DELETE", "/worker/generate/cancelled");
    const { done } = await cancelled.rest();
    await worker.call("POST", "/v1/chat/completions", {
      model: "tiny",
      max_tokens: 2,
      messages: [{ role: "user", content: "Hello" }],
    });
    const receipts = await ask(worker, ["complete", "nobody", "expired", "cancelled", "complete"]);
    for (const { at_ms: at, supervisor, model } of receipts) {
      assert.ok(Number.isInteger(at));
      assert.deepEqual([supervisor, model], ["test", "tiny"]);
    }
    assert.deepEqual(
      receipts.map((found) => [found.id, found.finish_reason, found.prompt_tokens, found.completion_tokens]),
      [
        ["complete", "length", complete.done?.usage.prompt_tokens, 10],
        ["expired", "credit_expired", complete.done?.usage.prompt_tokens, 3],
        ["cancelled", "cancelled", done?.usage.prompt_tokens, done?.usage.completion_tokens],
      ],
    );
  });

  void test("of one answer on two workers add up to it", async () => {
    await using a = await startWorker({ receipts: newPath() });
    await using b = await startWorker({ receipts: newPath() });
    const body = { max_tokens: 30, ignore_eos: true };
    const { ids } = await a.generate({ ...body, id: "begun", park_at: 11 });
    const { done } = await b.generate({ ...body, id: "ended", continue: { tokens: ids } });
    const [begun] = await ask(a, ["begun"]);
    const [ended] = await ask(b, ["ended"]);
    assert.deepEqual(
      [begun?.finish_reason, begun?.completion_tokens, begun?.continued_from],
      ["parked", 11, undefined],
    );
    assert.deepEqual(
      [ended?.finish_reason, ended?.completion_tokens, ended?.continued_from],
      ["length", 19, 11],
    );
    assert.equal(done?.usage.completion_tokens, 30);
    assert.equal(await a.metric("vllm:generation_tokens_total"), 11);
    assert.equal(await b.metric("vllm:generation_tokens_total"), 19);
  });

  void test("are there when the answer is: who has read the end finds the receipt", async () => {
    await using worker = await startWorker({ receipts: newPath() });
    for (const id of ["a", "b", "c"]) {
      await worker.generate({ id, max_tokens: 2 });
      assert.deepEqual(
        (await ask(worker, [id])).map((found) => found.id),
        [id],
      );
    }
  });

  void test("without a file there are none, and nobody is told off for asking", async () => {
    await using worker = await startWorker();
    await worker.generate({ id: "a" });
    assert.deepEqual(await ask(worker, ["a"]), []);
    const many = Array.from({ length: 1_001 }, String);
    assert.equal((await worker.call("POST", "/worker/receipts", { ids: many })).status, 400);
  });

  void test("survive the death of the process, of which the last line may be torn", async () => {
    const path = newPath();
    const first = await startProcess(path);
    const body = JSON.stringify(generateBody({ id: "before", max_tokens: 4, ignore_eos: true }));
    await (await fetch(`${first.url}/worker/generate`, { method: "POST", body })).text();
    // On disk soon, and not before the answer.
    await eventually(async () => (await readFile(path, "utf8")).includes("before"));
    first.kill();
    await first.ended;
    await appendFile(path, '{"id":"torn","superv');
    await using second = await startWorker({ receipts: path });
    const [found, ...others] = await ask(second, ["before", "torn"]);
    assert.deepEqual([found?.id, found?.completion_tokens, others.length], ["before", 4, 0]);
    await second.generate({ id: "after" });
    await second.close();
    const third = await Receipts.open({ path, log: SILENT });
    assert.deepEqual(
      third.find(["before", "torn", "after"]).map(({ id }) => id),
      ["before", "after"],
    );
    await third.close();
  });

  void test("a file that has grown becomes the older of two; both are read", async () => {
    const path = newPath();
    // Long past the size at which the file is left, and made of lines that are none.
    await writeFile(path, `${JSON.stringify(receipt("old"))}\n${"x".repeat(17 * 1024 * 1024)}\n`);
    const receipts = await Receipts.open({ path, log: SILENT });
    receipts.add(receipt("new"));
    await receipts.close();
    assert.ok((await stat(path)).size < 1_000);
    const again = await Receipts.open({ path, log: SILENT });
    assert.deepEqual(
      again.find(["old", "new"]).map(({ id }) => id),
      ["old", "new"],
    );
    await again.close();
  });

  void test("only so many are kept in memory, the latest; of two of one id the later", async () => {
    const receipts = await Receipts.open({ path: newPath(), log: SILENT });
    receipts.add(receipt("0"));
    receipts.add(receipt("twice"));
    for (let id = 1; id < 100_000; id++) receipts.add(receipt(String(id)));
    receipts.add(receipt("twice", { completion_tokens: 9 }));
    assert.deepEqual(receipts.find(["0"]), []);
    assert.equal(receipts.find(["twice"])[0]?.completion_tokens, 9);
    await receipts.close();
  });

  void test("written together reach the file in order", async () => {
    const path = newPath();
    const receipts = await Receipts.open({ path, log: SILENT });
    for (let id = 0; id < 1_000; id++) {
      receipts.add(receipt(String(id)));
      if (id % 100 === 0) await nextTurn();
    }
    await receipts.close();
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => Number((JSON.parse(line) as Receipt).id)),
      Array.from({ length: 1_000 }, (_, id) => id),
    );
  });
});

/** The worker as people start it, to be killed. */
async function startProcess(
  path: string,
): Promise<{ url: string; kill: () => void; ended: Promise<unknown> }> {
  const child = spawn(
    process.execPath,
    [MAIN, "worker", "--model", `tiny=${MODEL.path}`, "--port", "0", "--threads", "1", "--receipts", path],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  const url = () => /"url":"([^"]+)"/.exec(output)?.[1];
  await eventually(() => url() !== undefined || child.exitCode !== null);
  return { url: url() ?? output, kill: () => child.kill("SIGKILL"), ended: once(child, "exit") };
}
