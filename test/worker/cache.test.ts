import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { blockHashes } from "../../src/worker/cache/blocks.ts";
import { CacheReports } from "../../src/worker/cache/cache-reports.ts";
import { BLOCKS_MAX, ResidentBlocks } from "../../src/worker/cache/resident-blocks.ts";
import type { IdleSlot } from "../../src/worker/engine.ts";
import { startWorker } from "./harness.ts";

const MODEL_HASH = `sha256:${"0123456789abcdef".repeat(4)}`;

const range = (length: number, from = 0): number[] => Array.from({ length }, (_, index) => from + index);

const slot = (from: number, idleSinceMs: number): IdleSlot => ({
  tokens: range(64 * 6_000, from),
  idleSinceMs,
  kvBytes: 0,
  free() {},
});

const story = (times: number) => ({
  messages: [{ role: "user", content: "Tell me a long story about a fox named Lila. ".repeat(times) }],
});

void describe("hashes of blocks", () => {
  void test("are what the docs say", () => {
    const tokens = range(150, 1_000_000);
    let previous = BigInt("0x0123456789abc");
    const expected: number[] = [];
    for (const start of [0, 64]) {
      const bytes = Buffer.concat([
        Buffer.from(BigUint64Array.of(previous).buffer),
        Buffer.from(Int32Array.from(tokens.slice(start, start + 64)).buffer),
      ]);
      const digest = createHash("sha256").update(bytes).digest();
      previous = digest.readBigUInt64BE(0) >> 12n;
      expected.push(Number(previous));
    }
    assert.deepEqual(blockHashes(MODEL_HASH, tokens), expected);
    assert.ok(expected.every(Number.isSafeInteger));
  });

  void test("agree as far as the tokens do, for one model", () => {
    const tokens = fc.array(fc.nat(2), { minLength: 60, maxLength: 260 });
    fc.assert(
      fc.property(tokens, tokens, fc.nat(200), (one, other, shared) => {
        const both = [...one.slice(0, shared), ...other];
        const common = one.findIndex((token, index) => token !== both[index]);
        const blocks = Math.floor((common === -1 ? Math.min(one.length, both.length) : common) / 64);
        const [left, right] = [blockHashes(MODEL_HASH, one), blockHashes(MODEL_HASH, both)];
        assert.equal(left.length, Math.floor(one.length / 64));
        assert.deepEqual(left.slice(0, blocks), right.slice(0, blocks));
        const others = new Set(right.slice(blocks));
        assert.ok(left.slice(blocks).every((block) => !others.has(block)));
        const ofOther = new Set(blockHashes(MODEL_HASH.replace("0", "f"), one));
        assert.ok(left.every((block) => !ofOther.has(block)));
      }),
    );
  });
});

void describe("reports of the cache", () => {
  void test("give whoever applies them the same set, whatever gets lost", () => {
    const sets = fc.uniqueArray(fc.nat(9)).map((blocks) => new Set(blocks));
    const step = fc.record({
      now: sets,
      fate: fc.constantFrom("heard", "lost", "answer lost", "asks for all"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let now = new Set<number>();
        let known = new Set<number>();
        let sequence = 0;
        const reports = new CacheReports(() => now);
        for (const { now: next, fate } of steps) {
          now = next;
          const report = reports.next();
          if (fate !== "lost") {
            if (report.sequence === 0) known = new Set();
            else assert.equal(report.sequence, sequence + 1);
            for (const block of report.stored) known.add(block);
            for (const block of report.removed) known.delete(block);
            sequence = report.sequence;
          }
          if (fate === "heard") {
            reports.acknowledged();
            assert.deepEqual(known, now);
          } else reports.startAgain();
        }
      }),
    );
  });

  void test("are bounded, and leave out what was unused for the longest time", () => {
    const [old, recent] = [slot(0, 1), slot(1, 2)];
    const model = { description: { modelHash: MODEL_HASH }, idle: () => [old, recent] };
    const engine = { models: [model] } as unknown as ConstructorParameters<typeof ResidentBlocks>[0];
    const blocks = new ResidentBlocks(engine).now();
    assert.equal(blocks.size, BLOCKS_MAX);
    assert.ok(blockHashes(MODEL_HASH, recent.tokens).every((block) => blocks.has(block)));
  });
});

void describe("POST /worker/tokenize", () => {
  void test("gives the tokens' number and blocks, which `started` gives as well", async () => {
    await using worker = await startWorker();
    const { body } = await worker.call("POST", "/worker/tokenize", { model: "tiny", prompt: story(12) });
    assert.ok(body.blocks.length >= 2);
    assert.equal(body.blocks.length, Math.floor(body.tokens / 64));
    const { started } = await worker.generate({ prompt: story(12), want_blocks: true });
    assert.deepEqual([started?.prompt_tokens, started?.blocks], [body.tokens, body.blocks]);
    const shorter = await worker.call("POST", "/worker/tokenize", { model: "tiny", prompt: story(8) });
    const [first] = body.blocks as number[];
    assert.equal(shorter.body.blocks[0], first);
    assert.equal("blocks" in ((await worker.generate()).started ?? {}), false);
    // The metric has not moved: nothing was evaluated for it.
    const before = await worker.metric("headgate_worker_evaluated_tokens_total");
    await worker.call("POST", "/worker/tokenize", { model: "tiny", prompt: { text: "Hello" } });
    assert.equal(await worker.metric("headgate_worker_evaluated_tokens_total"), before);
  });

  void test("refuses what generate refuses", async () => {
    await using worker = await startWorker();
    const status = async (body: object) => (await worker.call("POST", "/worker/tokenize", body)).status;
    assert.equal(await status({ model: "unheard-of", prompt: { text: "x" } }), 404);
    assert.equal(await status({ model: "tiny" }), 400);
    assert.equal(await status({ model: "tiny", prompt: { tokens: Array(600).fill(5) } }), 400);
  });
});
