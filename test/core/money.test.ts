import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { costOf, formatUsd, parseUsd, type Price } from "../../src/core/budget/money.ts";
import type { TokenUsage } from "../../src/core/vocabulary.ts";

const nano = fc.nat(100_000_000_000);
const price: fc.Arbitrary<Price> = fc
  .record({ input: nano, cachedShare: fc.nat(100), output: nano, request: fc.nat(1_000_000_000) })
  .map(({ cachedShare, ...rest }) => ({
    ...rest,
    cachedInput: Math.floor((rest.input * cachedShare) / 100),
  }));

const tokens = fc.nat(1_000_000);
const usage: fc.Arbitrary<TokenUsage> = fc
  .record({ promptTokens: tokens, cachedTokens: tokens, completionTokens: tokens })
  .map((all) => ({ ...all, cachedTokens: Math.min(all.cachedTokens, all.promptTokens) }));

test("a cost is the exact sum of tokens × price ÷ 1,000,000, rounded up once", () => {
  fc.assert(
    fc.property(price, usage, fc.nat(1), (each, use, requests) => {
      const { promptTokens, cachedTokens, completionTokens } = use;
      const millionths =
        BigInt(promptTokens - cachedTokens) * BigInt(each.input) +
        BigInt(cachedTokens) * BigInt(each.cachedInput) +
        BigInt(completionTokens) * BigInt(each.output);
      const cost = BigInt(costOf(each, use, requests)) - BigInt(requests * each.request);
      assert(cost * 1_000_000n >= millionths);
      assert((cost - 1n) * 1_000_000n < millionths);
    }),
  );
});

test("the price of a worst case covers whatever is used within it", () => {
  fc.assert(
    fc.property(price, usage, usage, (each, a, b) => {
      const worst = {
        promptTokens: Math.max(a.promptTokens, b.promptTokens),
        cachedTokens: 0,
        completionTokens: Math.max(a.completionTokens, b.completionTokens),
      };
      assert(costOf(each, a, 1) <= costOf(each, worst, 1));
      assert(costOf(each, b, 0) <= costOf(each, worst, 1));
    }),
  );
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
