import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gpuTime, larger, lasting, NO_GPU, places, shareOfPlace } from "../../src/core/budget/gpu-time.ts";
import { formatAmount, parseAmount } from "../../src/core/budget/limits.ts";

const share = fc
  .record({ thousandths: fc.integer({ min: 1, max: 1_000_000 }), slots: fc.integer({ min: 1, max: 1_000 }) })
  .map(({ thousandths, slots }) => shareOfPlace({ gpus: thousandths / 1_000, slots }));
const us = fc.nat(86_400_000_000);

test("GPU time is rounded up, and lasts no longer than what it was held for", () => {
  fc.assert(
    fc.property(share, us, (each, time) => {
      const gpuUs = gpuTime(time, each);
      const exact = (time * each.thousandths) / (1_000 * each.of);
      assert(gpuUs >= Math.floor(exact) && gpuUs <= Math.ceil(exact) + 1);
      const lastsUs = lasting(gpuUs, each);
      assert(lastsUs >= time, "what was held for it lasts");
      assert(
        gpuTime(lastsUs, each) <= gpuUs && gpuTime(lastsUs + 1, each) > gpuUs,
        "and not a microsecond more",
      );
    }),
  );
});

test("places add up, and none is larger than the largest", () => {
  assert.deepEqual(shareOfPlace({ gpus: 2, slots: 8 }), { thousandths: 2_000, of: 8 });
  assert.deepEqual(places(shareOfPlace({ gpus: 2, slots: 8 }), 4), { thousandths: 8_000, of: 8 });
  const [small, large] = [shareOfPlace({ gpus: 1, slots: 3 }), shareOfPlace({ gpus: 0.334, slots: 1 })];
  assert.equal(larger(small, large), large);
  assert.equal(larger(large, NO_GPU), large);
});

test("no time passes on GPUs that nobody counts", () => {
  for (const each of [
    shareOfPlace({ slots: 4 }),
    shareOfPlace({ gpus: 0, slots: 4 }),
    shareOfPlace({ gpus: 1, slots: 0 }),
  ]) {
    assert.equal(gpuTime(1e9, each), 0);
    assert.equal(lasting(0, each), Infinity);
  }
});

test("it is written in seconds, to the microsecond", () => {
  assert.equal(formatAmount("gpu_seconds", 3_600_000_001n), "3600.000001");
  assert.equal(formatAmount("gpu_seconds", -1_500_000n), "-1.5");
  assert.equal(parseAmount("gpu_seconds", "0.5"), 500_000n);
  assert.equal(parseAmount("gpu_seconds", "0.0000005"), null);
  assert.equal(parseAmount("requests", "0.5"), null);
});
