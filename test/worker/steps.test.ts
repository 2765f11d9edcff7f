import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { PrioritizedBatchItem } from "node-llama-cpp";
import type { EngineModel, TokenSource } from "../../src/worker/engine.ts";
import { prioritySlot } from "../../src/worker/llama/batch-order.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import { Steps } from "../../src/worker/llama/steps.ts";
import { MODEL, SILENT } from "./harness.ts";

const SLOTS = 8;
const ANSWER_TOKENS = 300;

void test("a prompt in a slot that held another is begun while others are answered", async () => {
  const engine = await loadLlamaEngine({
    models: [{ ...MODEL, slots: SLOTS }],
    engine: { threads: 1 },
    log: SILENT,
    onProgress: () => {},
  });
  try {
    const [model] = engine.models;
    // Every slot holds something that has to go first.
    const earlier = Array.from({ length: SLOTS }, (_, i) => open(model!, i));
    await Promise.all(earlier.map((source) => source.next()));
    await Promise.all(earlier.map((source) => source.close()));
    const others = [1, 2, 3, 4, 5, 6, 7].map((i) => open(model!, 10 * i));
    let tokens = 0;
    const answering = others.map(async (source) => {
      for (let i = 0; i < ANSWER_TOKENS; i++, tokens++) await source.next();
    });
    while (tokens < others.length) await nextTurn();
    const before = tokens;
    const late = open(model!, 80);
    await late.next();
    // The batch under way, one for all of the prompt but its last token, one for that, and one to be safe.
    const batches = (tokens - before) / others.length;
    assert.ok(batches <= 4, `the others went on for ${batches} batches`);
    await Promise.all(answering);
    await Promise.all([late, ...others].map((source) => source.close()));
  } finally {
    await engine.close();
  }
});

void test("what comes while a batch is under way goes with the next one, and with all others", async () => {
  const steps = new Steps();
  const begun: string[] = [];
  const first = begin(steps, begun, { slot: 0, name: "a" });
  const second = begin(steps, begun, { slot: 1, name: "b" });
  steps.begin([item(0), item(1)]);
  const late = begin(steps, begun, { slot: 2, name: "c" });
  first.end();
  await first.done;
  const again = begin(steps, begun, { slot: 0, name: "d" });
  await nextTurn();
  assert.deepEqual(begun, ["a", "b"]);
  second.end();
  await second.done;
  await nextTurn();
  await nextTurn();
  assert.deepEqual(begun, ["a", "b", "c", "d"]);
  for (const work of [late, again]) {
    work.end();
    await work.done;
  }
});

void test("a piece that is too long for one batch keeps nobody from the next", async () => {
  const steps = new Steps();
  const begun: string[] = [];
  const long = begin(steps, begun, { slot: 0, name: "long" });
  const short = begin(steps, begun, { slot: 1, name: "short" });
  steps.begin([item(0, { tokens: 100, processAmount: 60 }), item(1)]);
  short.end();
  await short.done;
  await nextTurn();
  const next = begin(steps, begun, { slot: 1, name: "next" });
  assert.deepEqual(begun, ["long", "short", "next"]);
  for (const work of [long, next]) {
    work.end();
    await work.done;
  }
});

void test("work that fails is over as well", async () => {
  const steps = new Steps();
  const failed = steps.take(0, () => Promise.reject(new Error("no such luck")));
  steps.begin([item(0)]);
  await assert.rejects(failed, /no such luck/);
  assert.equal(await steps.take(0, () => Promise.resolve("served")), "served");
});

/** Prompts with nothing in common. */
function open(model: EngineModel, number: number): TokenSource {
  const sources = model.open({
    prompt: Array.from({ length: 20 }, (_, i) => 5 + ((number * 37 + i * 101) % 1_000)),
    samplings: [
      {
        temperature: 0,
        topP: 1,
        topK: 0,
        minP: 0,
        seed: 1,
        presencePenalty: 0,
        frequencyPenalty: 0,
        repetitionPenalty: 1,
        logitBias: new Map<number, number>(),
      },
    ],
    session: null,
    ignoreEnd: true,
    logprobs: null,
    grammar: null,
    generated: [],
    stateSource: null,
  });
  return sources![0]!;
}

function begin(
  steps: Steps,
  begun: string[],
  { slot, name }: { slot: number; name: string },
): { done: Promise<void>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = steps.take(slot, () => {
    begun.push(name);
    return promise;
  });
  return { done, end: resolve };
}

function item(slot: number, { tokens = 1, processAmount = 1 } = {}): PrioritizedBatchItem {
  return {
    item: { tokens: Array(tokens).fill(7), logits: [], evaluationPriority: prioritySlot(slot) },
    processAmount,
  };
}
