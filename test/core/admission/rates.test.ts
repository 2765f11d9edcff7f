import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Rates } from "../../../src/core/admission/rates.ts";
import { MICROS_PER_SECOND, type Micros, seconds } from "../../../src/core/units.ts";

const rate = fc.record({
  perSecond: fc.constantFrom(0.1, 0.3, 1, 3, 7.5, 1_000),
  burst: fc.integer({ min: 1, max: 20 }),
});

/** Takes a request where there is one. Returns how long to wait where there is none. */
function take(rates: Rates, name: string, nowUs: Micros): Micros {
  const waitUs = rates.waitUs(name, nowUs);
  if (waitUs === 0) rates.take(name, nowUs);
  return waitUs;
}

test("a bucket lets through what a bucket reckoned in whole numbers does, for however long it is asked", () => {
  fc.assert(
    fc.property(
      rate,
      fc.array(fc.nat(400_000), { minLength: 1, maxLength: 400, size: "max" }),
      ({ perSecond, burst }, gaps) => {
        const rates = new Rates({ m: { perSecond, burst } });
        // Tenths of a millionth of a request: of these, ten times `perSecond` come in each microsecond.
        const perMicro = BigInt(Math.round(perSecond * 10));
        const whole = BigInt(MICROS_PER_SECOND) * 10n;
        let level = BigInt(burst) * whole;
        let nowUs = 0;
        for (const gap of gaps) {
          nowUs += gap;
          level += perMicro * BigInt(gap);
          if (level > BigInt(burst) * whole) level = BigInt(burst) * whole;
          const waitUs = take(rates, "m", nowUs);
          if (level >= whole) {
            assert.equal(waitUs, 0);
            level -= whole;
          } else {
            assert.equal(waitUs, Number((whole - level + perMicro - 1n) / perMicro));
          }
        }
      },
    ),
  );
});

test("whoever waits for as long as told gets in, and nobody a microsecond earlier", () => {
  fc.assert(
    fc.property(rate, fc.nat(MICROS_PER_SECOND), (limit, startUs) => {
      const early = new Rates({ m: limit });
      const punctual = new Rates({ m: limit });
      let waitUs = 0;
      for (let i = 0; i <= limit.burst; i++) {
        waitUs = take(early, "m", startUs);
        assert.equal(take(punctual, "m", startUs), waitUs);
      }
      assert(waitUs > 0);
      assert.equal(take(early, "m", startUs + waitUs - 1), 1);
      assert.equal(take(punctual, "m", startUs + waitUs), 0);
    }),
  );
});

test("asking in vain does not make it longer, and models have buckets of their own", () => {
  const rates = new Rates({ m: { perSecond: 1, burst: 1 }, k: { perSecond: 1, burst: 1 } });
  assert.equal(take(rates, "m", 0), 0);
  for (let i = 0; i < 10; i++) assert.equal(take(rates, "m", seconds(0.5)), seconds(0.5));
  assert.equal(take(rates, "k", 0), 0);
  assert.equal(take(rates, "m", seconds(1)), 0);
  for (let i = 0; i < 10; i++) assert.equal(take(rates, "unlimited", 0), 0);
});

test("new rates begin with a full bucket, and those that stay keep their count", () => {
  const rates = new Rates({ m: { perSecond: 1, burst: 1 }, k: { perSecond: 1, burst: 1 } });
  take(rates, "m", 0);
  take(rates, "k", 0);
  rates.reconfigure({ m: { perSecond: 1, burst: 1 }, k: { perSecond: 2, burst: 1 } });
  assert.equal(take(rates, "m", 0), seconds(1));
  assert.equal(take(rates, "k", 0), 0);
});
