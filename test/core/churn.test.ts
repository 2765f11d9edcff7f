import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ChurnMap, ChurnSet } from "../../src/core/churn.ts";

describe("a map for what comes and goes", () => {
  it("has what a Map has, in the same order", () => {
    const step = fc.record({ isSet: fc.boolean(), key: fc.nat(100), value: fc.nat() });
    fc.assert(
      // Long enough for several copies.
      fc.property(fc.array(step, { maxLength: 1_000, size: "max" }), (steps) => {
        const map = new ChurnMap<number, number>();
        const model = new Map<number, number>();
        for (const { isSet, key, value } of steps) {
          if (isSet) {
            map.set(key, value);
            model.set(key, value);
          } else {
            assert.equal(map.delete(key), model.delete(key));
          }
          assert.equal(map.size, model.size);
          assert.equal(map.get(key), model.get(key));
          assert.equal(map.has(key), model.has(key));
        }
        assert.deepEqual([...map.entries], [...model]);
        assert.deepEqual([...map.values()], [...model.values()]);
      }),
    );
  });

  it("gives each value once while all are deleted, and none that is gone", () => {
    const map = new ChurnMap<number, number>();
    for (let key = 0; key < 1_000; key++) map.set(key, key);
    const given: number[] = [];
    for (const value of map.values()) {
      given.push(value);
      map.delete(value);
      map.delete(value + 1);
    }
    assert.deepEqual(
      given,
      Array.from({ length: 500 }, (_, i) => 2 * i),
    );
    assert.equal(map.size, 0);
  });

  it("gives none that comes meanwhile", () => {
    const map = new ChurnMap<number, number>();
    for (const key of [0, 1, 2]) map.set(key, key);
    for (const value of map.values()) map.set(value + 10, value);
    assert.deepEqual([...map.entries.keys()], [0, 1, 2, 10, 11, 12]);
  });

  it("leaves its table behind after as many deletions as it has entries, and 64 at least", () => {
    for (const [size, deletions] of [
      [1, 64],
      [64, 64],
      [1_000, 1_000],
    ] as const) {
      const map = new ChurnMap<number, number>();
      for (let key = 0; key < size; key++) map.set(key, key);
      const first = map.entries;
      let deleted = 0;
      while (map.entries === first) {
        map.set(size + deleted, 0);
        map.delete(deleted++);
      }
      assert.equal(deleted, deletions);
      assert.equal(map.size, size);
    }
  });
});

describe("a set for what comes and goes", () => {
  it("has each item once, in the order in which they came", () => {
    const set = new ChurnSet<string>();
    for (const item of ["b", "a", "b"]) set.add(item);
    assert.deepEqual([...set], ["b", "a"]);
    assert.equal(set.delete("b"), true);
    assert.equal(set.delete("b"), false);
    assert.deepEqual([[...set], set.size], [["a"], 1]);
  });
});
