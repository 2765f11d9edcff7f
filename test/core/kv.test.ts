import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kvBytesPerToken, sessionKvBytes } from "../../src/core/fleet/kv.ts";

const Q8_0_BYTES = 34 / 32;

test("KV cache of one token: layers × KV heads × (key + value), as known models have it", () => {
  const llama3With8B = { layers: 32, kvHeads: 8, keyLength: 128, valueLength: 128 };
  assert.equal(kvBytesPerToken({ ...llama3With8B, keyBytes: 2, valueBytes: 2 }), 131_072);
  assert.equal(kvBytesPerToken({ ...llama3With8B, keyBytes: Q8_0_BYTES, valueBytes: Q8_0_BYTES }), 69_632);
  assert.equal(kvBytesPerToken({ ...llama3With8B, keyBytes: Q8_0_BYTES, valueBytes: 2 }), 100_352);
  const unlikeKeyAndValue = { layers: 3, kvHeads: 1, keyLength: 192, valueLength: 128 };
  assert.equal(kvBytesPerToken({ ...unlikeKeyAndValue, keyBytes: 2, valueBytes: 2 }), 1_920);
});

test("a session's KV cache is whole bytes, grows with prompt and answer, and ends with the context", () => {
  const size = fc.nat(10_000);
  const bytes = fc.double({ min: 0, max: 1_000, noNaN: true });
  fc.assert(
    fc.property(size, size, size, bytes, (promptTokens, maxTokens, contextTokens, bytesPerToken) => {
      const session = { promptTokens, maxTokens, contextTokens, bytesPerToken };
      const held = sessionKvBytes(session);
      assert(Number.isInteger(held));
      assert(held <= Math.ceil(contextTokens * bytesPerToken));
      if (promptTokens + maxTokens <= contextTokens) {
        assert.equal(held, Math.ceil((promptTokens + maxTokens) * bytesPerToken));
      }
      assert(sessionKvBytes({ ...session, promptTokens: promptTokens + 1 }) >= held);
      assert(sessionKvBytes({ ...session, maxTokens: maxTokens + 1 }) >= held);
    }),
  );
});
