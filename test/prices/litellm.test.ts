import assert from "node:assert/strict";
import { test } from "node:test";
import { type Imported, importLiteLlm } from "../../src/prices/litellm.ts";

/** Files here are made up, in the format of the real one. */
function imported(file: string, options: Partial<Parameters<typeof importLiteLlm>[1]> = {}): Imported {
  return importLiteLlm(file, { only: [], map: new Map(), ...options });
}

const one = (fields: string): Imported => imported(`{"m": {"mode": "chat", ${fields}}}`);
const PLAIN = '"input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06';

test("prices for a token become exact decimals for a million", () => {
  const { prices, remarks } = one(
    `"input_cost_per_token": 1.25e-06, "output_cost_per_token": 0.00001, "cache_read_input_token_cost": 1.25e-07,
     "output_cost_per_reasoning_token": 1.1e-05, "input_cost_per_request": 0.0005`,
  );
  assert.deepEqual(prices, {
    m: { input: "1.25", cached_input: "0.125", output: "10", reasoning: "11", request: "0.0005" },
  });
  assert.deepEqual(remarks, []);
});

test("digits that a number would lose are not lost, and what is finer than a nano-USD is rounded up", () => {
  const exact = one(
    '"input_cost_per_token": 0.000123456789012345, "output_cost_per_token": 1.23456789012345e-4',
  );
  assert.deepEqual(exact.prices["m"], { input: "123.456789013", output: "123.456789013" });
  const fine = one('"input_cost_per_token": 1.00000000000000000001e-06, "output_cost_per_token": 1e-30');
  assert.deepEqual(fine.prices["m"], { input: "1.000000001", output: "0.000000001" });
  assert.deepEqual(
    fine.remarks.map(({ why }) => why),
    ["input_cost_per_token rounded up", "output_cost_per_token rounded up"],
  );
});

test("prices of long prompts become tiers in rising order, each with what it does not say itself", () => {
  const { prices } = one(
    `${PLAIN}, "cache_read_input_token_cost": 1e-07,
     "output_cost_per_token_above_256k_tokens": 9e-06,
     "input_cost_per_token_above_128k_tokens": 2e-06, "output_cost_per_token_above_128k_tokens": 8e-06`,
  );
  assert.deepEqual(prices["m"]!.long_context, [
    { above: 128_000, input: "2", cached_input: "0.1", output: "8" },
    { above: 256_000, input: "2", cached_input: "0.1", output: "9" },
  ]);
});

test("listed tiers are taken, the first as the price of short prompts", () => {
  const { prices, remarks } = one(
    `"tiered_pricing": [
       {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 3e-06},
       {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06}]`,
  );
  assert.deepEqual(prices["m"], {
    input: "1",
    output: "4",
    long_context: [{ above: 32_000, input: "2", output: "4" }],
  });
  assert.deepEqual(remarks, [
    { model: "m", isTaken: true, why: "output above 32000 tokens raised to that of shorter prompts" },
  ]);
});

test("the batch price is the dearer of batch and flex, and only taken where it is cheaper", () => {
  const batch = '"input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 2e-06';
  assert.deepEqual(one(`${PLAIN}, ${batch}`).prices["m"]!.batch, { input: "0.5", output: "2" });
  const flex = '"input_cost_per_token_flex": 6e-07, "output_cost_per_token_flex": 1e-06';
  assert.deepEqual(one(`${PLAIN}, ${batch}, ${flex}`).prices["m"]!.batch, { input: "0.6", output: "2" });
  const dear = one(`${PLAIN}, "input_cost_per_token_flex": 6e-06, "output_cost_per_token_flex": 1e-06`);
  assert.equal(dear.prices["m"]!.batch, undefined);
  assert.equal(dear.remarks[0]!.why, "batch left out: must not be above the 1 of what is not in a batch");
});

test("long prompts in a batch have tiers of their own", () => {
  const { prices, remarks } = one(
    `${PLAIN}, "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 8e-06,
     "input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 2e-06,
     "input_cost_per_token_above_200k_tokens_batches": 1e-06, "input_cost_per_token_above_200k_tokens_flex": 1.5e-06,
     "output_cost_per_token_above_200k_tokens_batches": 4e-06`,
  );
  assert.deepEqual(prices["m"]!.batch, {
    input: "0.5",
    output: "2",
    long_context: [{ above: 200_000, input: "1.5", output: "4" }],
  });
  assert.deepEqual(remarks, []);
});

test("an older name for the price of cached tokens counts where the newer one is absent", () => {
  const old = '"input_cost_per_token_cache_hit": 1e-07';
  assert.equal(one(`${PLAIN}, ${old}`).prices["m"]!.cached_input, "0.1");
  const both = one(`${PLAIN}, ${old}, "cache_read_input_token_cost": 2e-07`);
  assert.equal(both.prices["m"]!.cached_input, "0.2");
  assert.deepEqual(both.remarks, []);
});

test("says what it could not take over", () => {
  const file = `{
    "sample_spec": {"mode": "one of: chat, embedding", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
    "fallback_generalizations": {"rules": []},
    "picture": {"mode": "image_generation", "output_cost_per_image": 0.02},
    "seen": {"mode": "chat", ${PLAIN}, "input_cost_per_image": 0.001, "output_cost_per_second": 0.0,
             "cache_creation_input_token_cost": 2e-06, "max_tokens": 4096, "source": "somewhere"},
    "half": {"mode": "chat", "input_cost_per_token": 1e-06},
    "text": {"mode": "chat", "input_cost_per_token": "much", "output_cost_per_token": 1e-06},
    "dear cache": {"mode": "chat", ${PLAIN}},
    "cache": {"mode": "chat", ${PLAIN}, "cache_read_input_token_cost": 2e-06}
  }`;
  const { prices, remarks } = imported(file);
  assert.deepEqual(Object.keys(prices), ["seen"]);
  assert.deepEqual(
    remarks.map(({ model, isTaken, why }) => `${model} ${isTaken ? "+" : "-"} ${why}`),
    [
      "picture - it is for image_generation",
      "seen + without input_cost_per_image, cache_creation_input_token_cost",
      "half - it has no price for tokens of prompt and answer",
      'text - input_cost_per_token is "much", which is no price',
      "dear cache - its name can't be used, give it another with --map: use letters, digits and . _ : / -",
      "cache - cached_input: must not be above input",
    ],
  );
});

test("takes what is asked for, under the names that are asked for", () => {
  const file = `{"a/one": {${PLAIN}}, "a/two": {${PLAIN}}, "b.one": {${PLAIN}}, "odd name": {${PLAIN}}}`;
  const namesOf = (options: Parameters<typeof imported>[1]): string[] =>
    Object.keys(imported(file, options).prices);
  assert.deepEqual(namesOf({}), ["a/one", "a/two", "b.one"]);
  assert.deepEqual(namesOf({ only: ["a/*"] }), ["a/one", "a/two"]);
  assert.deepEqual(namesOf({ only: ["*.one", "a/two"] }), ["a/two", "b.one"]);
  assert.deepEqual(namesOf({ map: new Map([["mine", "odd name"]]) }), ["mine"]);
  assert.deepEqual(namesOf({ only: ["a/two"], map: new Map([["mine", "b.one"]]) }), ["a/two", "mine"]);
  assert.equal(imported(file, { only: ["a/two"], from: "2026-12-01" }).prices["a/two"]!.from, "2026-12-01");
  assert.throws(() => namesOf({ only: ["b?one", "c*"] }), /no model like b\?one or c\*/);
  assert.throws(() => namesOf({ map: new Map([["mine", "a/three"]]) }), /The file has no model "a\/three"/);
});

test("a file of another kind is refused", () => {
  assert.throws(() => imported("[]"), /no JSON object/);
  assert.throws(() => imported("{}"), /no models/);
  assert.throws(() => imported("input: 1"), /JSON/);
});
