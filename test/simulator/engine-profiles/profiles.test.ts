import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINE_PROFILES, engineProfile } from "../../../src/simulator/engine-profiles/index.ts";

test("every profile has room for its own context, and steps that take time", () => {
  for (const profile of Object.values(ENGINE_PROFILES)) {
    const { name, kvTokens, contextTokens, prefillUs, decodeUs, batching, sequencesMax, source } = profile;
    assert(contextTokens < kvTokens, name);
    assert(batching.tokensPerStepMax >= sequencesMax, name);
    assert(decodeUs[0] > 0 && [...prefillUs, ...decodeUs].every((figure) => figure >= 0), name);
    assert.notEqual(source, "");
  }
});

test("memory is what the GPUs have less the weights", () => {
  // (80 × 0.9 − 16.06) GB / (2 × 32 layers × 8 heads × 128 × 2 bytes), in whole blocks of 16.
  const { kvTokens, bytesPerKvToken } = engineProfile("h100-llama-3.1-8b");
  assert.equal(bytesPerKvToken, 131_072);
  assert.equal(kvTokens, Math.floor(55.94e9 / 131_072 / 16) * 16);
});

test("a name that is not there is answered with those that are like it", () => {
  assert.throws(
    () => engineProfile("h300-qwen3-32b"),
    /no engine profile "h300-qwen3-32b": try .*h200-qwen3-32b/,
  );
});
