import assert from "node:assert/strict";
import { test } from "node:test";
import { CacheNames } from "../../src/backends/cache-names.ts";

test("a report of the cache is put in blocks of text, as far as prompts have taught what they are called", () => {
  const names = new CacheNames();
  // 200 tokens, which fill three blocks of 64; the text fills four blocks, and the rest of it none.
  names.learn({ texts: [1, 2, 3, 4], tokens: [901, 902, 903], promptTokens: 200 });
  const { stored, removed } = names.translate({ sequence: 0, stored: [901, 902, 777], removed: [903] });
  // The first block of text ends before token 40, the second before 80, the third before 120, the fourth before 160.
  assert.deepEqual(stored, [1, 3, 2]);
  assert.deepEqual(removed, [4]);
});

test("another prompt that begins alike shares the names of its beginning, and has its own for the rest", () => {
  const names = new CacheNames();
  names.learn({ texts: [1, 2], tokens: [901, 902], promptTokens: 150 });
  names.learn({ texts: [1, 5], tokens: [901, 905], promptTokens: 150 });
  assert.deepEqual(names.translate({ sequence: 1, stored: [901, 905], removed: [902] }), {
    sequence: 1,
    stored: [1, 5],
    removed: [2],
  });
});

test("a block of text whose end no block of tokens covers has no name", () => {
  const names = new CacheNames();
  names.learn({ texts: [1, 2, 3], tokens: [901], promptTokens: 100 });
  assert.deepEqual(names.translate({ sequence: 1, stored: [901], removed: [] }).stored, [2, 1]);
});
