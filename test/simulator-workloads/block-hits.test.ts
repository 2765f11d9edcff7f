import assert from "node:assert/strict";
import { test } from "node:test";
import { blockHits } from "../../src/simulator/workloads/block-hits.ts";
import { synthesise } from "../../src/simulator/workloads/synthetic/synthesise.ts";

function hits(chains: readonly (readonly number[])[], capacity: number): number {
  const [request] = synthesise("poisson:rate=1").requests;
  return blockHits({ requests: chains.map((blocks) => ({ ...request!, blocks })) }, capacity).hits;
}

test("what counts is the leading run, in the order of the chain", () => {
  assert.equal(
    hits(
      [
        [1, 2, 3],
        [1, 2, 4],
        [1, 5, 3],
      ],
      Infinity,
    ),
    3,
  );
  assert.equal(
    hits(
      [
        [1, 2],
        [3, 2],
      ],
      Infinity,
    ),
    0,
  );
});

test("the least recently used goes first", () => {
  // Room for three: [4] drives 1 out, and with it the use of what comes after it.
  assert.equal(hits([[1, 2, 3], [4], [1, 2, 3]], 3), 0);
  assert.equal(hits([[1, 2], [3], [1], [4], [1, 2]], 3), 2);
});

test("a workload without blocks has no share", () => {
  assert(Number.isNaN(blockHits({ requests: [] }, 3).share));
});
