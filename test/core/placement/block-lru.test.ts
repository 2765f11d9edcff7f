import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockLru } from "../../../src/core/placement/signals/block-lru.ts";
import { CacheIndex } from "../../../src/core/placement/signals/cache-index.ts";
import { Holders } from "../../../src/core/placement/signals/holders.ts";
import { UseOrder } from "../../../src/core/placement/signals/use-order.ts";

const chain = fc.array(fc.nat(15), { maxLength: 8 });

/** An LRU as it is written when nothing depends on its speed: the least recently used comes first. */
class NaiveLru {
  blocks: number[] = [];
  readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  use(block: number): void {
    this.blocks = [...this.blocks.filter((other) => other !== block), block].slice(
      -this.capacity || Infinity,
    );
    if (this.capacity === 0) this.blocks = [];
  }

  leadingRun(blocks: readonly number[]): number {
    const missing = blocks.findIndex((block) => !this.blocks.includes(block));
    return missing < 0 ? blocks.length : missing;
  }
}

test("a chain's leading run counts; a gap ends it", () => {
  const lru = new BlockLru(4);
  assert.equal(lru.touch([1, 2, 3]), 0);
  assert.equal(lru.touch([1, 2, 4]), 2);
  assert.equal(lru.touch([2, 9, 1]), 1);
  // 3 and then 4 were used longest ago.
  assert.deepEqual(new Set(lru.values()), new Set([1, 2, 4, 9]));
  assert.equal(lru.touch([5]), 0);
  assert.equal(lru.leadingRun([4]), 0);
});

test("a cache of blocks is an LRU in chain order, and never holds more than its capacity", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("touch" as const), chain }),
    fc.record({ kind: fc.constant("remove" as const), chain }),
  );
  fc.assert(
    fc.property(fc.nat(10), fc.array(step, { maxLength: 30 }), (capacity, steps) => {
      const lru = new BlockLru(capacity);
      const naive = new NaiveLru(capacity);
      for (const { kind, chain: blocks } of steps) {
        if (kind === "remove") {
          for (const block of blocks) lru.remove(block);
          naive.blocks = naive.blocks.filter((block) => !blocks.includes(block));
        } else {
          const run = naive.leadingRun(blocks);
          for (const block of blocks) naive.use(block);
          assert.equal(lru.touch(blocks), run);
        }
        assert.deepEqual(new Set(lru.values()), new Set(naive.blocks));
        assert(lru.size <= capacity);
      }
    }),
  );
});

test("slots come back in the order of their use", () => {
  const step = fc.record({ kind: fc.constantFrom("add", "use", "remove"), which: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const order = new UseOrder();
      let naive: number[] = [];
      for (const { kind, which } of steps) {
        const slot = naive[which % naive.length];
        if (kind === "add" || slot === undefined) {
          const added = order.add();
          assert(!naive.includes(added));
          naive.push(added);
        } else if (kind === "use") {
          order.use(slot);
          naive = [...naive.filter((other) => other !== slot), slot];
        } else {
          order.remove(slot);
          naive = naive.filter((other) => other !== slot);
        }
        assert.equal(order.oldest, naive[0] ?? -1);
      }
    }),
  );
});

test("an index over caches finds in each what a search of that cache would find", () => {
  const slots = Array.from({ length: 10 }, (_, slot) => slot);
  const step = fc.record({
    kind: fc.constantFrom("use", "remove", "clear", "resize"),
    slot: fc.constantFrom(...slots),
    chain,
    capacity: fc.nat(8),
  });
  fc.assert(
    fc.property(
      fc.nat(60),
      fc.array(step, { maxLength: 60, size: "max" }),
      chain,
      (blocksMax, steps, wanted) => {
        const index = new CacheIndex(blocksMax);
        const share = Math.floor(blocksMax / slots.length);
        for (const slot of slots) assert.equal(index.open(Infinity), slot);
        const naive = slots.map(() => new BlockLru(share));
        for (const { kind, slot, chain: blocks, capacity } of steps) {
          const cache = naive[slot]!;
          if (kind === "clear") {
            index.clear(slot);
            cache.resize(0);
            cache.resize(share);
          } else if (kind === "resize") {
            index.resize(slot, capacity);
            cache.resize(Math.min(share, capacity));
            index.resize(slot, Infinity);
            cache.resize(share);
          } else {
            for (const block of blocks) {
              if (kind === "use") index.use(slot, block);
              else index.remove(slot, block);
              if (kind === "use") cache.use(block);
              else cache.remove(block);
            }
          }
          assert(index.size <= blocksMax);
        }
        const runs = index.match(wanted);
        assert.deepEqual(
          slots.map((slot) => runs[slot]),
          naive.map((cache) => cache.leadingRun(wanted)),
        );
      },
    ),
  );
});

test("caches share the room between them, and get it back when one closes", () => {
  const index = new CacheIndex(6);
  const first = index.open(Infinity);
  for (const block of [1, 2, 3, 4, 5, 6]) index.use(first, block);
  assert.equal(index.size, 6);
  const second = index.open(2);
  assert.deepEqual([...index.match([4, 5, 6])].slice(0, 2), [3, 0]);
  assert.equal(index.size, 3);
  for (const block of [7, 8, 9]) index.use(second, block);
  assert.equal(index.size, 5);
  index.close(second);
  for (const block of [1, 2, 3]) index.use(first, block);
  assert.equal(index.size, 6);
  assert.equal(index.open(Infinity), second);
});

test("nothing is kept of a block that nobody holds any more", () => {
  const pair = fc.record({ block: fc.nat(3), slot: fc.nat(9) });
  fc.assert(
    fc.property(
      fc.uniqueArray(pair, { selector: ({ block, slot }) => block * 10 + slot, maxLength: 40 }),
      (pairs) => {
        const holders = new Holders();
        for (const { block, slot } of pairs) holders.add(block, slot);
        assert.equal(holders.size, new Set(pairs.map(({ block }) => block)).size);
        for (const { block, slot } of pairs) holders.remove(block, slot);
        assert.equal(holders.size, 0);
      },
    ),
  );
});
