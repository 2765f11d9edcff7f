import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { BatchItem, Token } from "node-llama-cpp";
import type { EngineModel, Sampling } from "../../src/worker/engine.ts";
import { inSequenceOrder, prioritySlot } from "../../src/worker/llama/batch-order.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import { MODEL, SILENT } from "./harness.ts";

const GREEDY: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  logitBias: new Map<number, number>(),
};

const QUESTIONS = ["France", "Germany", "Spain", "Italy", "Japan", "Peru", "Kenya", "Egypt"].map(
  (country) => `What is the capital of ${country}?`,
);

void test("sequences that run together never get each other's tokens", async () => {
  const engine = await loadLlamaEngine({
    models: [{ ...MODEL, slots: QUESTIONS.length }],
    engine: { threads: 1 },
    log: SILENT,
    onProgress: () => {},
  });
  const [model] = engine.models;
  assert.ok(model);
  const alone: number[][] = [];
  for (const question of QUESTIONS) alone.push(await open(model, question)());
  for (let round = 0; round < 20; round++) {
    const pulls: (() => Promise<number[]>)[] = QUESTIONS.map((question) => open(model, question));
    const answers: Promise<number[]>[] = [];
    // The library queues the sequences as they ask. In this order, llama.cpp evaluates pairs of
    // neighbours together, and has to sort the outputs if nobody sorted the sequences before.
    for (const slot of [0, 2, 4, 6, 1, 3, 5, 7]) answers[slot] = pulls[slot]?.() ?? assert.fail();
    assert.deepEqual(await Promise.all(answers), alone);
  }
  await engine.close();
});

/** Takes a slot now; the returned function pulls 40 tokens from it. */
function open(model: EngineModel, question: string): () => Promise<number[]> {
  const prompt = model.renderChat([{ role: "user", content: question }]);
  const [source] =
    model.open({
      prompt,
      samplings: [GREEDY],
      session: null,
      ignoreEnd: true,
      logprobs: null,
      grammar: null,
      generated: [],
      stateSource: null,
    }) ?? [];
  assert.ok(source);
  return async () => {
    const tokens: number[] = [];
    while (tokens.length < 40) {
      const token = await source.next();
      assert.ok(token !== null);
      tokens.push(token);
    }
    await source.close();
    return tokens;
  };
}

void describe("inSequenceOrder", () => {
  const items: fc.Arbitrary<BatchItem[]> = fc
    .uniqueArray(fc.record({ slot: fc.nat(20), tokens: fc.integer({ min: 1, max: 64 }) }), {
      selector: (item) => item.slot,
      minLength: 1,
    })
    .map((given) =>
      given.map(({ slot, tokens }) => ({
        tokens: Array<Token>(tokens).fill(0 as Token),
        logits: [],
        evaluationPriority: prioritySlot(slot),
      })),
    );

  void test("sorts by slot, fits the batch, and leaves out no single token", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 21, max: 200 }), (given, size) => {
        const chosen = inSequenceOrder({ items: given, size });
        const slots = chosen.map(({ item }) => item.evaluationPriority);
        assert.deepEqual(
          slots,
          slots.toSorted((a, b) => a - b),
        );
        assert.ok(chosen.reduce((total, { processAmount }) => total + processAmount, 0) <= size);
        assert.ok(chosen.every(({ item, processAmount }) => processAmount <= item.tokens.length));
        const singles = given.filter((item) => item.tokens.length === 1);
        assert.ok(singles.every((single) => chosen.some(({ item }) => item === single)));
      }),
    );
  });
});
