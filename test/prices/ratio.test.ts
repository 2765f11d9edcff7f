import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { over, parseRatio, roundedUp, times, whole } from "../../src/prices/ratio.ts";

test("decimals are read to their last digit", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 20n), fc.integer({ min: -20, max: 20 }), (digits, exponent) => {
      const ratio = parseRatio(`${digits}e${exponent}`)!;
      const scale = 10n ** BigInt(Math.abs(exponent));
      const [expected, seen] =
        exponent < 0
          ? [digits * ratio.denominator, ratio.numerator * scale]
          : [digits * scale * ratio.denominator, ratio.numerator];
      assert.equal(seen, expected);
    }),
  );
  assert.deepEqual(parseRatio("1.25E-06"), { numerator: 125n, denominator: 100_000_000n });
  assert.deepEqual(parseRatio(" 2.50 "), { numerator: 250n, denominator: 100n });
});

test("what is no decimal, below 0 or endless is none", () => {
  const endless = ["1e999", "1e-999", "1e61", "9".repeat(61)];
  for (const text of ["", "-1", ".5", "1.", "1,5", "0x10", "NaN", "Infinity", "five", ...endless]) {
    assert.equal(parseRatio(text), null, text);
  }
});

test("a fraction is rounded up, and only where it is one", () => {
  const third = over(whole(1), whole(3));
  assert.equal(roundedUp(third), 1n);
  assert.equal(roundedUp(times(third, whole(6))), 2n);
  assert.equal(roundedUp(whole(0)), 0n);
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 20n), fc.bigInt(1n, 10n ** 20n), (numerator, denominator) => {
      const rounded = roundedUp({ numerator, denominator });
      assert(rounded * denominator >= numerator);
      assert((rounded - 1n) * denominator < numerator);
    }),
  );
});
