import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { priceProblems } from "../../src/config/price-check.ts";
import {
  costOf,
  formatUsd,
  forPromptOf,
  parseUsd,
  priceAt,
  type Price,
  type Rates,
  type TieredRates,
  worstUsage,
} from "../../src/core/budget/money.ts";
import { priceOf } from "../../src/core/planning/plan.ts";
import type { TokenUsage } from "../../src/core/vocabulary.ts";
import { coreConfig } from "./fixtures.ts";

const nano = fc.nat(100_000_000_000);

/** Rates of shorter prompts first; each of the others is dearer by so much. */
function tiered(base: Rates, steps: readonly [aboveTokens: number, more: Rates][]): TieredRates {
  let before = base;
  let aboveTokens = 0;
  const longContext = steps.map(([further, more]) => {
    aboveTokens += further;
    const { output, reasoning = output } = before;
    const cachedInput = before.cachedInput + Math.min(more.cachedInput, more.input);
    before = {
      input: before.input + more.input,
      cachedInput,
      output: output + more.output,
      reasoning: Math.max(reasoning + (more.reasoning ?? 0), reasoning),
    };
    return { aboveTokens, ...before };
  });
  return longContext.length === 0 ? base : { ...base, longContext };
}

const rates: fc.Arbitrary<Rates> = fc
  .record({
    input: nano,
    cachedShare: fc.nat(100),
    output: nano,
    reasoning: fc.option(nano, { nil: undefined }),
  })
  .map(({ cachedShare, reasoning, ...rest }) => ({
    ...rest,
    cachedInput: Math.floor((rest.input * cachedShare) / 100),
    ...(reasoning === undefined ? {} : { reasoning }),
  }));

const tiers = fc
  .tuple(rates, fc.array(fc.tuple(fc.integer({ min: 1, max: 400_000 }), rates), { maxLength: 3 }))
  .map(([base, steps]) => tiered(base, steps));

function batchOf({ input, cachedInput, output }: Rates, divisor: number): Rates {
  const part = (rate: number): number => Math.floor(rate / divisor);
  return { input: part(input), cachedInput: part(cachedInput), output: part(output) };
}

/** Every kind of price that a configuration may have. */
const price: fc.Arbitrary<Price> = fc
  .record({
    base: tiers,
    request: fc.nat(1_000_000_000),
    divisor: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  })
  .map(({ base, request, divisor }) => ({
    ...base,
    request,
    ...(divisor === undefined ? {} : { batch: batchOf(base, divisor) }),
  }));

const tokens = fc.nat(1_000_000);
const usage: fc.Arbitrary<TokenUsage> = fc
  .record({
    promptTokens: tokens,
    cachedTokens: tokens,
    completionTokens: tokens,
    reasoningTokens: tokens,
    isBatch: fc.boolean(),
  })
  .map((all) => ({
    ...all,
    cachedTokens: Math.min(all.cachedTokens, all.promptTokens),
    reasoningTokens: Math.min(all.reasoningTokens, all.completionTokens),
  }));

test("a cost is the exact sum of tokens × price ÷ 1,000,000, rounded up once", () => {
  fc.assert(
    fc.property(price, usage, fc.nat(1), (each, use, requests) => {
      const { promptTokens, cachedTokens, completionTokens, reasoningTokens = 0 } = use;
      const there = forPromptOf(each, promptTokens);
      const applied: Rates = use.isBatch === true && there.batch !== undefined ? there.batch : there;
      const millionths =
        BigInt(promptTokens - cachedTokens) * BigInt(applied.input) +
        BigInt(cachedTokens) * BigInt(applied.cachedInput) +
        BigInt(completionTokens - reasoningTokens) * BigInt(applied.output) +
        BigInt(reasoningTokens) * BigInt(applied.reasoning ?? applied.output);
      const cost = BigInt(costOf(each, use, requests)) - BigInt(requests * each.request);
      assert(cost * 1_000_000n >= millionths);
      assert((cost - 1n) * 1_000_000n < millionths);
    }),
  );
});

test("the price of a worst case covers whatever is used within it, of whatever kind, at whatever length", () => {
  fc.assert(
    fc.property(price, usage, usage, (each, a, b) => {
      const worst = worstUsage(each, {
        promptTokens: Math.max(a.promptTokens, b.promptTokens),
        completionTokens: Math.max(a.completionTokens, b.completionTokens),
      });
      assert(costOf(each, a, 1) <= costOf(each, worst, 1));
      assert(costOf(each, b, 0) <= costOf(each, worst, 1));
    }),
    { numRuns: 1_000 },
  );
});

test("one more token of any kind never makes it cheaper", () => {
  const more: Record<string, (use: TokenUsage) => TokenUsage> = {
    read: (use) => ({ ...use, promptTokens: use.promptTokens + 1 }),
    cached: (use) => ({ ...use, promptTokens: use.promptTokens + 1, cachedTokens: use.cachedTokens + 1 }),
    said: (use) => ({ ...use, completionTokens: use.completionTokens + 1 }),
    thought: (use) => ({
      ...use,
      completionTokens: use.completionTokens + 1,
      reasoningTokens: (use.reasoningTokens ?? 0) + 1,
    }),
  };
  // At the edges of tiers too, where one token changes the price of all.
  const atAnEdge = fc.tuple(price, usage, fc.nat(2)).map(([each, use, i]): [Price, TokenUsage] => {
    const edge = each.longContext?.[i]?.aboveTokens ?? use.promptTokens;
    return [each, { ...use, promptTokens: edge, cachedTokens: Math.min(use.cachedTokens, edge) }];
  });
  fc.assert(
    fc.property(atAnEdge, fc.constantFrom(...Object.keys(more)), ([each, use], kind) => {
      // A batch may cost at some length what it costs elsewhere; it is covered by the worst case, and not by shorter ones.
      const same = { ...use, isBatch: false };
      assert(costOf(each, more[kind]!(same), 0) >= costOf(each, same, 0), kind);
    }),
    { numRuns: 1_000 },
  );
});

test("prices as they are drawn here are fit to hold money by", () => {
  fc.assert(fc.property(price, (each) => assert.deepEqual(priceProblems(each), [])));
});

test("a prompt has a tier's price from one token above its edge on, for all of its tokens", () => {
  const long = {
    aboveTokens: 100,
    input: 2_000_000,
    cachedInput: 500_000,
    output: 6_000_000,
    reasoning: 8_000_000,
  };
  const each: Price = {
    input: 1_000_000,
    cachedInput: 0,
    output: 3_000_000,
    request: 7,
    longContext: [long],
  };
  const use = { cachedTokens: 10, completionTokens: 5, reasoningTokens: 2 };
  assert.equal(costOf(each, { ...use, promptTokens: 100 }, 1), 90 + 5 * 3 + 7);
  assert.equal(costOf(each, { ...use, promptTokens: 101 }, 1), 91 * 2 + 5 + 3 * 6 + 2 * 8 + 7);
});

test("what an endpoint bills as a batch has the batch price, as far as it says what long prompts cost", () => {
  const batch = { input: 500_000, cachedInput: 500_000, output: 1_000_000 };
  const base = { input: 1_000_000, cachedInput: 1_000_000, output: 2_000_000, request: 0 };
  const use = { promptTokens: 10, cachedTokens: 0, completionTokens: 10 };
  const cost = (each: Price): number => costOf(each, { ...use, isBatch: true }, 0);
  assert.equal(cost({ ...base, batch }), 15);
  assert.equal(cost(base), 30);
  const longContext = [{ ...base, aboveTokens: 9 }];
  assert.equal(cost({ ...base, longContext, batch }), 30);
  assert.equal(
    cost({ ...base, longContext, batch: { ...batch, longContext: [{ ...batch, aboveTokens: 9 }] } }),
    15,
  );
});

function flat(rate: number): Price {
  return { input: rate, cachedInput: rate, output: rate, request: 0 };
}

test("the price in force is the latest that has begun", () => {
  const prices = [
    { fromUs: 20, price: flat(3) },
    { fromUs: 0, price: flat(1) },
    { fromUs: 10, price: flat(2) },
  ];
  assert.deepEqual(
    [0, 9, 10, 19, 20, 99].map((us) => priceAt(prices, us)?.input),
    [1, 1, 2, 2, 3, 3],
  );
  assert.equal(priceAt(prices.slice(0, 1), 19), null);
});

test("before its first price a model has the default one, or none", () => {
  const own = flat(1);
  const prices = { m: [{ fromUs: 10, price: own }] };
  const config = { ...coreConfig(), prices };
  assert.equal(priceOf("m", config, 10), own);
  assert.equal(priceOf("m", config, 9), config.defaultPrice);
  const strict = { ...coreConfig(), prices, defaultPrice: null };
  assert.deepEqual(priceOf("m", strict, 9), {
    code: "model_unpriced",
    message: 'The model "m" has no price yet.',
  });
  assert.deepEqual(priceOf("toString", strict, 9), {
    code: "model_unpriced",
    message: 'The model "toString" has no price.',
  });
});

test("amounts are read exactly, to the nano-USD", () => {
  assert.equal(parseUsd("5"), 5_000_000_000n);
  assert.equal(parseUsd("0.05"), 50_000_000n);
  assert.equal(parseUsd("0.000000001"), 1n);
  assert.equal(parseUsd("1e-7"), 100n);
  assert.equal(parseUsd("2.5e+3"), 2_500_000_000_000n);
  assert.equal(parseUsd("1000000000"), 10n ** 18n);
  for (const text of ["", "-1", "0.0000000001", "1e-10", "five", "1.2.3", "0x10", "1,000", "$5", ".5"]) {
    assert.equal(parseUsd(text), null, text);
  }
});

test("what is written is read back as the same amount", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 20n), (amount) => {
      assert.equal(parseUsd(formatUsd(amount)), amount);
      assert.equal(formatUsd(-amount), amount === 0n ? "0" : `-${formatUsd(amount)}`);
    }),
  );
});
