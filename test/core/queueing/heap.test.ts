import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap } from "../../../src/core/queueing/heap.ts";

test("a heap gives what is in it in order, whatever came and went", () => {
  const step = fc.record({ number: fc.integer({ min: 0, max: 40 }), isIn: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const heap = new Heap<number>((a, b) => a < b);
      const model = new Set<number>();
      for (const { number, isIn } of steps) {
        if (isIn === model.has(number)) continue;
        if (isIn) heap.add(number);
        else heap.delete(number);
        if (isIn) model.add(number);
        else model.delete(number);
        const sorted = [...model].sort((a, b) => a - b);
        assert.deepEqual([...heap.inOrder()], sorted);
        assert.deepEqual(new Set(heap.items), model);
        assert.equal(heap.first, sorted[0] ?? null);
        assert.equal(heap.size, model.size);
        assert.equal(heap.has(number), isIn);
      }
    }),
  );
});
