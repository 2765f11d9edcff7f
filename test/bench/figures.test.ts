import assert from "node:assert/strict";
import { test } from "node:test";
import { figure, isMet, quantile, render, spread } from "../../bench/figures.ts";
import { interleave } from "../../bench/interleave.ts";

test("a spread is the middle, the lowest and the highest", () => {
  assert.deepEqual(spread([5, 1, 9]), { median: 5, low: 1, high: 9 });
  assert.deepEqual(spread([4, 1]), { median: 2.5, low: 1, high: 4 });
});

test("a quantile between two values lies between them in proportion", () => {
  const sorted = [0, 10, 20, 30, 40];
  assert.equal(quantile(sorted, 0.5), 20);
  assert.equal(quantile(sorted, 0.9), 36);
  assert.equal(quantile(sorted, 1), 40);
});

test("what is compared is compared within a round", () => {
  const { verdict } = figure({
    what: "cost",
    unit: "µs",
    // The second round met a machine half as fast; the ratio is the same.
    rounds: { bare: [10, 20], headgate: [15, 30] },
    verdict: {
      formula: "headgate / bare",
      of: ({ headgate, bare }) => headgate / bare,
      aim: { at: "most", bound: 1.5 },
    },
  });
  assert.deepEqual(verdict?.value, { median: 1.5, low: 1.5, high: 1.5 });
});

test("an aim is met at its bound and missed beyond it", () => {
  assert.deepEqual([met(2, "most"), met(2.1, "most")], [true, false]);
  assert.deepEqual([met(2, "least"), met(1.9, "least")], [true, false]);
});

function met(median: number, at: "most" | "least"): boolean | null {
  return isMet({ formula: "", value: { median, low: 0, high: 9 }, aim: { at, bound: 2 } });
}

test("a table has the subjects side by side and says what came of the aims", () => {
  const rounds = { bare: [10], headgate: [12_345] };
  const verdict = {
    formula: "headgate / bare",
    of: ({ headgate, bare }: Record<keyof typeof rounds, number>) => headgate / bare,
    aim: { at: "most", bound: 1.5 } as const,
  };
  const text = render({ bench: "some", figures: [figure({ what: "cost", unit: "µs", rounds, verdict })] });
  assert.match(text, /^some\n\n +unit +bare +headgate +compared +aim\n/);
  assert.match(text, /\ncost +µs +10 \(10\.\.10\) +12,345 \(12,345\.\.12,345\) +headgate \/ bare .*MISSED\n/);
});

test("subjects take turns, after one round that does not count", async () => {
  const order: string[] = [];
  const values = await interleave(2, ["a", "b"], async (subject) => order.push(subject));
  assert.deepEqual(order, ["a", "b", "a", "b", "b", "a"]);
  assert.deepEqual(values, { a: [3, 6], b: [4, 5] });
});
