import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Random } from "../../../src/core/random.ts";
import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { EngineBench, PROFILE, streamOf } from "./bench.ts";

describe("steps take as long as the profile says", () => {
  test("a prompt in one chunk gives the first token, and each further step another", () => {
    const bench = new EngineBench();
    bench.start("a", { promptTokens: 50, outputTokens: 3 });
    bench.run();
    // 1,000 + 50; then 100 + 10 + 51 / 100, and the same with 52.
    assert.deepEqual(bench.times("started"), { a: [1_050] });
    assert.deepEqual(bench.times("output"), { a: [1_050, 1_050 + 111 + 111] });
    assert.deepEqual(bench.pieces(), { a: [1, 2] });
    assert.deepEqual(bench.usage("a"), { promptTokens: 50, cachedTokens: 0, completionTokens: 3 });
  });

  test("a chunk costs what it adds to a prompt that is read in one go", () => {
    const bench = new EngineBench({ prefillUs: [1_000, 1, 0.1] });
    bench.start("a", { promptTokens: 250, outputTokens: 1 });
    bench.run();
    assert.deepEqual(bench.times("finished"), { a: [3 * 1_000 + 250 + 0.1 * 250 ** 2] });
  });

  test("a step that reads and generates costs the larger base once", () => {
    const bench = new EngineBench();
    bench.start("a", { promptTokens: 50, outputTokens: 2 });
    bench.at(500, () => bench.start("b", { promptTokens: 20, outputTokens: 1 }));
    bench.run();
    // While b is read, a gets its second token: 1,000 + 20 + 10 + 51 / 100.
    assert.deepEqual(bench.times("finished"), { a: [1_050 + 1_031], b: [1_050 + 1_031] });
  });

  test("sequences come before prompts, and take from the same budget", () => {
    const bench = new EngineBench();
    for (let i = 0; i < 10; i++) bench.start(`a${i}`, { promptTokens: 10, outputTokens: 100 });
    bench.at(500, () => bench.start("b", { promptTokens: 100, outputTokens: 1 }));
    bench.run();
    const [started] = bench.times("started")["b"]!;
    // 90 tokens in a first step, the other 10 in a second one; contexts have 11 tokens, then 12.
    const first = 1_000 + 90 + 10 * 10 + Math.round(1.1);
    const second = 1_000 + 10 + 10 * 10 + Math.round(1.2);
    assert.equal(started, 1_100 + first + second);
  });

  test("of one prompt a step reads so much at most, and of others as much beside it", () => {
    const batching = { kind: "mixed", tokensPerStepMax: 100, promptTokensPerStepMax: 40 } as const;
    const bench = new EngineBench({ batching });
    bench.start("a", { promptTokens: 90, outputTokens: 1 });
    bench.start("b", { promptTokens: 50, outputTokens: 1 });
    bench.at(500, () => bench.start("c", { promptTokens: 30, outputTokens: 1 }));
    bench.run();
    // 40 + 40, then 40 + 10 + 30, then the last 10 of a.
    assert.deepEqual(bench.times("started"), { a: [1_080 + 1_080 + 1_010], b: [2_160], c: [2_160] });
  });

  test("the last token of a prompt may be read apart, and costs what one of an answer does", () => {
    const batching = { kind: "mixed", tokensPerStepMax: 100, lastTokenApart: true } as const;
    const bench = new EngineBench({ batching });
    bench.start("a", { promptTokens: 50, outputTokens: 2 });
    bench.at(10, () => bench.start("b", { promptTokens: 1, outputTokens: 1 }));
    bench.run();
    // 1,000 + 49; 100 + 2 · 10 + (50 + 1) / 100 for both, the last of a and the only one of b; then as ever.
    assert.deepEqual(bench.times("started"), { a: [1_049 + 121], b: [1_049 + 121] });
    assert.deepEqual(bench.times("finished"), { a: [1_170 + 111], b: [1_170] });
  });

  test("first tokens may go together: then a step for several has two parts, each with its base", () => {
    const batching = { kind: "mixed", tokensPerStepMax: 100, firstTokensTogether: true } as const;
    const bench = new EngineBench({ batching });
    bench.start("a", { promptTokens: 50, outputTokens: 2 });
    bench.at(500, () => bench.start("b", { promptTokens: 20, outputTokens: 1 }));
    bench.run();
    // Alone, a is read as ever. Then 100 + 2 · 10 + (51 + 1) / 100 for one token of each, and 1,000 + 19 for the rest of b.
    const both = Math.round(100 + 20 + 0.52 + 1_019);
    assert.deepEqual(bench.times("finished"), { a: [1_050 + both], b: [1_050 + both] });
  });

  test("alternating batches read whole prompts by themselves, and look for them every so many steps", () => {
    const batching = { kind: "alternating", tokensPerStepMax: 100, decodeStepsBetween: 5 } as const;
    const bench = new EngineBench({ batching, decodeUs: [100, 0, 0] });
    bench.start("a", { promptTokens: 50, outputTokens: 20 });
    bench.at(1_060, () => bench.start("b", { promptTokens: 60, outputTokens: 1 }));
    bench.at(1_060, () => bench.start("c", { promptTokens: 60, outputTokens: 1 }));
    bench.run();
    // b and c are too long for one step, so there are five steps of decoding before each.
    assert.deepEqual(bench.times("started"), { a: [1_050], b: [2_610], c: [4_170] });
  });

  test("a large batch is decoded by figures of its own", () => {
    const decodeLarge = { batchMin: 2, decodeUs: [500, 0, 0] } as const;
    const bench = new EngineBench({ decodeUs: [100, 0, 0], decodeLarge });
    bench.start("a", { promptTokens: 10, outputTokens: 3 });
    bench.start("b", { promptTokens: 10, outputTokens: 2 });
    bench.run();
    assert.deepEqual(bench.times("finished"), { a: [1_020 + 500 + 100], b: [1_020 + 500] });
  });

  test("the way to the queue and the way out take their time, and none of the engine's", () => {
    const bench = new EngineBench({ queueUs: [200, 2] });
    bench.start("a", { promptTokens: 50, outputTokens: 1 });
    bench.run();
    assert.deepEqual(bench.times("finished"), { a: [300 + 1_050] });
  });

  test("noise has mean 1 and the deviation asked for", () => {
    const noisy = durations(0.1);
    const mean = noisy.reduce((sum, each) => sum + each) / noisy.length;
    const deviation = Math.sqrt(noisy.reduce((sum, each) => sum + (each - mean) ** 2, 0) / noisy.length);
    // Five standard errors of 4,000 draws.
    assert(Math.abs(mean - 1_000) < (5 * 100) / Math.sqrt(4_000));
    assert(Math.abs(deviation - 100) < (5 * 100) / Math.sqrt(2 * 4_000));
    assert.deepEqual(durations(0.1), noisy);
    assert.deepEqual(new Set(durations(0)), new Set([1_000]));
  });
});

describe("credit", () => {
  test("the engine halts where it ends, and goes on where more comes", () => {
    const bench = new EngineBench({ decodeUs: [100, 0, 0] });
    bench.start("a", { promptTokens: 50, outputTokens: 10, creditTokens: 4, creditEdge: 2 });
    bench.at(50_000, () => bench.engine.grant("a", 8));
    bench.at(90_000, () => bench.engine.grant("a", 12));
    bench.run();
    // The first token, half of the credit, all of it; then half of what was granted, all; then the end.
    assert.deepEqual(bench.pieces(), { a: [1, 1, 2, 2, 2, 2] });
    assert.deepEqual(bench.times("finished"), { a: [90_200] });
  });
});

describe("the KV cache", () => {
  test("is never exceeded, whatever is preempted, and preemption loses and repeats no token", () => {
    const random = new Random(5);
    const bench = new EngineBench({ kvTokens: 400 }, { burstTokens: 16 });
    const lengths = new Map<string, number>();
    let most = 0;
    for (let i = 0; i < 60; i++) {
      const outputTokens = random.between(1, 120);
      const promptTokens = random.between(1, 120);
      lengths.set(`a${i}`, outputTokens);
      bench.at(random.between(0, 200_000), () => bench.start(`a${i}`, { promptTokens, outputTokens }));
    }
    for (let atUs = 0; atUs < 600_000; atUs += 500) {
      bench.at(atUs, () => (most = Math.max(most, bench.engine.kvShare)));
    }
    bench.run();
    assert(most <= 1 && most > 0.95, `${most} of it is used at most`);
    for (const [attempt, outputTokens] of lengths) {
      const told = bench.pieces()[attempt]!.reduce((sum, count) => sum + count);
      assert.equal(told, outputTokens);
      assert.equal(bench.usage(attempt)?.completionTokens, outputTokens);
      assert.equal(bench.served.get(attempt)?.output, outputTokens);
      assert.equal(bench.times("started")[attempt]?.length, 1);
    }
    assert.equal(bench.engine.kvShare, 0);
  });

  test("the youngest is preempted, and reads what it had again", () => {
    const bench = new EngineBench({ kvTokens: 120, prefixCache: false, decodeUs: [100, 0, 0] });
    bench.start("old", { promptTokens: 50, outputTokens: 60 });
    bench.start("young", { promptTokens: 50, outputTokens: 20 });
    bench.run();
    // Both are read in one step. Twelve blocks are taken when each has ten tokens more, and the step after needs one for each.
    const { old = [], young } = bench.times("finished");
    assert.deepEqual(old, [1_100 + 59 * 100]);
    // 50 + 11 tokens are read once more, which gives the twelfth; eight more follow.
    assert.deepEqual(young, [old[0]! + 1_000 + 61 + 8 * 100]);
    assert.equal(bench.usage("young")?.completionTokens, 20);
  });

  test("a prompt that never fits is known not to", () => {
    const bench = new EngineBench({ kvTokens: 100 });
    const fits = (promptTokens: number, outputTokens: number): boolean => {
      return bench.engine.fits({ promptTokens, streams: [streamOf(outputTokens)] } as never);
    };
    assert(fits(50, 40));
    assert(!fits(50, 41));
  });

  test("choices share their prompt", () => {
    const bench = new EngineBench();
    bench.start("a", { promptTokens: 100, outputTokens: 0, streams: [streamOf(30), streamOf(30)] });
    let most = 0;
    for (let atUs = 0; atUs < 10_000; atUs += 50)
      bench.at(atUs, () => (most = Math.max(most, bench.engine.kvShare)));
    bench.run();
    // 10 blocks of the prompt and 3 for each choice: the last token of an answer is never read.
    assert.equal(most, 16 / 100);
  });
});

describe("the prefix cache", () => {
  const prompt = { promptTokens: 50, outputTokens: 1 };

  test("what was read before is not read again, but for the end of the prompt", () => {
    const bench = new EngineBench();
    bench.start("a", { ...prompt, blocks: [1, 2, 3, 4, 5] });
    bench.at(5_000, () => bench.start("b", { ...prompt, blocks: [1, 2, 3, 4, 5] }));
    bench.at(10_000, () => bench.start("c", { ...prompt, blocks: [1, 2, 9, 4, 5] }));
    bench.run();
    const cached = ["a", "b", "c"].map((attempt) => bench.usage(attempt)!.cachedTokens);
    assert.deepEqual(cached, [0, 40, 20]);
    assert.deepEqual(bench.times("finished"), { a: [1_050], b: [6_010], c: [11_030] });
  });

  test("an engine without one reads everything", () => {
    const bench = new EngineBench({ prefixCache: false });
    bench.start("a", { ...prompt, blocks: [1, 2, 3, 4, 5] });
    bench.at(5_000, () => bench.start("b", { ...prompt, blocks: [1, 2, 3, 4, 5] }));
    bench.run();
    assert.equal(bench.usage("b")!.cachedTokens, 0);
  });

  test("what was used longest ago makes room, its end first", () => {
    const bench = new EngineBench({ kvTokens: 120 });
    const start = (attempt: string, atUs: number, blocks: number[]): void => {
      bench.at(atUs, () => bench.start(attempt, { ...prompt, blocks }));
    };
    start("a", 0, [1, 2, 3, 4, 5]);
    start("b", 5_000, [11, 12, 13, 14, 15]);
    // Takes five blocks and has two: three of a's have to go.
    start("c", 10_000, [21, 22, 23, 24, 25]);
    start("a again", 15_000, [1, 2, 3, 4, 5]);
    bench.run();
    assert.equal(bench.usage("a again")!.cachedTokens, 20);
  });

  test("changes are reported once", () => {
    const bench = new EngineBench();
    bench.start("a", { ...prompt, blocks: [1, 2, 3, 4, 5] });
    bench.run();
    assert.deepEqual(bench.engine.cache.takeChanges(), { stored: [1, 2, 3, 4, 5], removed: [] });
    assert.deepEqual(bench.engine.cache.takeChanges(), { stored: [], removed: [] });
  });
});

describe("calamities", () => {
  test("a slow engine takes that much longer from its next step on, and a stuck one does nothing", () => {
    const bench = new EngineBench({ decodeUs: [100, 0, 0] });
    bench.start("a", { promptTokens: 50, outputTokens: 11 });
    bench.at(1_340, () => bench.engine.slowDown(10));
    bench.at(2_800, () => bench.engine.setStuck(true));
    bench.at(50_000, () => bench.engine.setStuck(false));
    bench.run();
    // 3 steps of 100 until 1,350, 2 of 1,000 until 3,350, and the other 5 after the standstill.
    assert.deepEqual(bench.times("finished"), { a: [50_000 + 5 * 1_000] });
  });

  test("a stopped generation leaves the step that is under way as long as it was", () => {
    const bench = new EngineBench({ decodeUs: [100, 50, 0] });
    bench.start("a", { promptTokens: 50, outputTokens: 5 });
    bench.start("b", { promptTokens: 50, outputTokens: 5 });
    let stopped = 0;
    bench.at(1_320, () => (stopped = bench.engine.stop("b")!.streams[0]!.generatedTokens));
    bench.run();
    assert.equal(stopped, 2);
    assert.deepEqual(bench.times("finished"), { a: [1_100 + 200 + 200 + 150 + 150] });
  });

  test("a parked one tells all that it has", () => {
    const bench = new EngineBench({ decodeUs: [100, 0, 0] });
    bench.start("a", { promptTokens: 50, outputTokens: 50 });
    bench.at(1_380, () => bench.engine.park("a"));
    bench.run();
    assert.deepEqual(bench.pieces(), { a: [1, 3] });
    assert.equal(bench.times("parked")["a"]?.length, 1);
  });
});

const BATCHING: Record<string, EngineProfile["batching"]> = {
  mixed: { kind: "mixed", tokensPerStepMax: 64 },
  "mixed, of one prompt in pieces,": {
    kind: "mixed",
    tokensPerStepMax: 64,
    promptTokensPerStepMax: 30,
    lastTokenApart: true,
    firstTokensTogether: true,
  },
  alternating: { kind: "alternating", tokensPerStepMax: 200, decodeStepsBetween: 4 },
};

describe("one event for each token", () => {
  for (const [kind, batching] of Object.entries(BATCHING)) {
    test(`tells the same at the same time as one for each edge, with ${kind} batches`, () => {
      assert.deepEqual(toldBy(true, batching), toldBy(false, batching));
    });
  }
});

/** What a busy engine with noise, preemption and a prefix cache says at its edges, and what it counts. */
function toldBy(perToken: boolean, batching: EngineProfile["batching"]): unknown {
  const random = new Random(11);
  const bench = new EngineBench(
    { ...PROFILE, kvTokens: 600, batching },
    { perToken, burstTokens: 16, deviation: 0.2 },
  );
  for (let i = 0; i < 200; i++) {
    const attempt = `a${i}`;
    const beginning = random.between(1, 3) * 100;
    const promptTokens = random.between(1, 150);
    const given = {
      promptTokens,
      outputTokens: random.between(1, 100),
      blocks: Array.from({ length: Math.floor(promptTokens / 10) }, (_, block) => beginning + block),
      creditTokens: 40,
      creditEdge: 20,
    };
    const atUs = random.between(0, 400_000);
    bench.at(atUs, () => bench.start(attempt, given));
    bench.at(atUs + random.between(0, 30_000), () => bench.engine.grant(attempt, 100));
    if (random.chance(0.1)) bench.at(atUs + random.between(0, 30_000), () => bench.engine.stop(attempt));
    if (random.chance(0.1)) bench.at(atUs + 2_000, () => bench.engine.setPaused(attempt, true));
    bench.at(atUs + 40_000, () => bench.engine.setPaused(attempt, false));
  }
  bench.run();
  const untold = new Map<string, number>();
  const told: unknown[] = [];
  for (const { atUs, attempt, message } of bench.said) {
    const count = (untold.get(attempt) ?? 0) + (message.kind === "output" ? message.tokens.count : 0);
    const isEdge = message.kind !== "output" || message.isEdge;
    untold.set(attempt, isEdge ? 0 : count);
    if (isEdge) told.push({ atUs, attempt, count, message: message.kind === "output" ? null : message });
  }
  assert(told.length > 800);
  return { told, progress: bench.engine.progress, served: Object.fromEntries(bench.served) };
}

/** Of 4,000 steps that would take 1,000 µs each. */
function durations(deviation: number): number[] {
  const bench = new EngineBench({ decodeUs: [1_000, 0, 0], kvTokens: 10_000 }, { burstTokens: 1, deviation });
  bench.start("a", { promptTokens: 1, outputTokens: 4_001, creditTokens: 1e6, creditEdge: 1e6 });
  bench.run();
  const times = bench.times("output")["a"]!;
  return times.slice(1).map((atUs, i) => atUs - times[i]!);
}
