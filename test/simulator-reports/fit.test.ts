import assert from "node:assert/strict";
import { test } from "node:test";
import { fitEngine, prefillTerms } from "../../src/simulator/calibration/fit-engine.ts";
import { fitRelative, fitted } from "../../src/simulator/calibration/fit.ts";

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-4 * Math.abs(expected), `${actual} is not ${expected}`);
}

test("what was made of three terms is found again", () => {
  const truth = [5_000, 25, 0.0008];
  const observations = [16, 100, 700, 3_000, 9_000, 30_000].map((tokens) => {
    const terms = [1, tokens, tokens ** 2];
    return { terms, measured: terms.reduce((sum, term, i) => sum + term * truth[i]!, 0) };
  });
  const { coefficients, meanError } = fitRelative(observations);
  for (const [i, value] of truth.entries()) close(coefficients[i]!, value);
  assert.ok(meanError < 1e-5);
});

test("no coefficient is negative, and the others are fitted without it", () => {
  const observations = [1, 2, 3, 4].map((x) => ({ terms: [1, x, x ** 2], measured: 10 * x - x ** 2 / 2 }));
  const { coefficients } = fitRelative(observations);
  assert.ok(coefficients.every((value) => value >= 0));
  assert.equal(coefficients[2], 0);
  assert.ok(coefficients[1]! > 5);
});

test("errors count in proportion: one point that is off does not bend the small ones", () => {
  const observations = [10, 20, 40, 80, 160].map((x) => ({ terms: [1, x], measured: 100 + x * 7 }));
  const off = [...observations, { terms: [1, 10_000], measured: 77_000 }];
  const { coefficients } = fitRelative(off);
  assert.ok(Math.abs(coefficients[0]! - 100) < 10);
});

test("a term that never occurs is 0, and a single term is an average", () => {
  assert.deepEqual(
    fitRelative([
      { terms: [0, 2], measured: 10 },
      { terms: [0, 4], measured: 20 },
    ]).coefficients[0],
    0,
  );
  assert.throws(() => fitRelative([]), /nothing to fit/);
});

test("a prompt is read in steps of so many tokens", () => {
  const batching = { kind: "mixed", tokensPerStepMax: 64 } as const;
  assert.deepEqual(prefillTerms(64, batching), [1, 64, 4_096, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual(prefillTerms(65, batching), [2, 65, 4_225, 0, 0, 0, 0, 0, 0, 1]);
});

test("one whose last token is read apart ends with a step of decoding", () => {
  const batching = {
    kind: "mixed",
    tokensPerStepMax: 512,
    promptTokensPerStepMax: 64,
    lastTokenApart: true,
  } as const;
  assert.deepEqual(prefillTerms(65, batching), [1, 64, 4_096, 0, 1, 65, 0, 0, 0, 1]);
  assert.deepEqual(prefillTerms(66, batching), [2, 65, 4_225, 0, 1, 66, 0, 0, 0, 1]);
});

test("an engine is found again from what its prompts and batches took", () => {
  const batching = {
    kind: "mixed",
    tokensPerStepMax: 512,
    promptTokensPerStepMax: 64,
    lastTokenApart: true,
  } as const;
  const truth = [900, 350, 0.2, 0, 1_100, 0.5, 400, 1_200, 1.5, 700];
  const us = (terms: readonly number[]): number => fitted(terms, truth);
  const prefill = [13, 30, 64, 65, 100, 190, 300, 450].map((tokens) => {
    return { tokens, us: us(prefillTerms(tokens, batching)) };
  });
  const decode = [1, 2, 4, 8].flatMap((batch) =>
    [20, 200, 400].map((each) => {
      const contextTokens = batch * each;
      const terms = batch === 1 ? [0, 1, contextTokens, 0, 0, 0] : [0, 0, 0, 1, batch, contextTokens];
      return { batch, contextTokens, us: us([0, 0, 0, ...terms, 0]) };
    }),
  );
  const { figures, prefillError, decodeError } = fitEngine({ prefill, decode }, batching);
  const large = figures.decodeLarge!;
  assert.equal(large.batchMin, 2);
  const found = [...figures.prefillUs, ...figures.decodeUs, ...large.decodeUs, figures.queueUs[0]];
  for (const [i, value] of truth.entries()) close(found[i]!, value);
  assert.ok(prefillError < 1e-4 && decodeError < 1e-4);
});
