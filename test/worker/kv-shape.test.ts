import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { getLlama, GgmlType, LlamaLogLevel } from "node-llama-cpp";
import { kvBytesPerToken } from "../../src/core/fleet/kv.ts";
import { readKvShape } from "../../src/worker/llama/kv-shape.ts";
import type { ThreadTrial } from "../../src/worker/llama/threads.ts";
import { fastest, threadCounts } from "../../src/worker/llama/threads.ts";
import { eventually, MODEL } from "./harness.ts";

const F16 = { keyType: GgmlType.F16, valueType: GgmlType.F16 };

void describe("KV shape", () => {
  void test("gives exactly the bytes that llama.cpp allocates", async () => {
    const lines: string[] = [];
    const llama = await getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      logLevel: LlamaLogLevel.debug,
      logger: (_level, message) => lines.push(message),
    });
    const model = await llama.loadModel({ modelPath: MODEL.path });
    const context = await model.createContext({ sequences: 8, contextSize: 512, threads: 1 });
    const shape = readKvShape({ metadata: model.fileInfo.architectureMetadata, ...F16 });
    // What llama.cpp logs arrives some time later, in pieces.
    let allocated: string | undefined;
    await eventually(() => {
      allocated = lines.join("").match(/KV buffer size =\s+([\d.]+) MiB/)?.[1];
      return allocated !== undefined;
    });
    await llama.dispose();
    assert.equal(Number(allocated) * 1024 * 1024, kvBytesPerToken(shape) * 8 * 512);
    assert.equal(context.totalSequences, 8);
  });

  void test("follows grouped heads, given lengths and heads that differ by layer", () => {
    const grouped = {
      block_count: 32,
      embedding_length: 4096,
      attention: { head_count: 32, head_count_kv: 8 },
    };
    assert.equal(kvBytesPerToken(readKvShape({ metadata: grouped, ...F16 })), 32 * 8 * (128 + 128) * 2);
    const lengths = {
      block_count: 2,
      embedding_length: 64,
      attention: { head_count: 4, key_length: 48, value_length: 24 },
    };
    assert.equal(kvBytesPerToken(readKvShape({ metadata: lengths, ...F16 })), 2 * 4 * (48 + 24) * 2);
    const uneven = {
      block_count: 3,
      embedding_length: 64,
      attention: { head_count: [4, 4, 4], head_count_kv: [1, 2, 4] },
    };
    assert.equal(kvBytesPerToken(readKvShape({ metadata: uneven, ...F16 })), 7 * 32 * 2);
  });

  void test("counts quantised cells by the share of their block", () => {
    const metadata = { block_count: 1, embedding_length: 32, attention: { head_count: 1 } };
    const shape = readKvShape({ metadata, keyType: GgmlType.Q8_0, valueType: GgmlType.F16 });
    assert.equal(kvBytesPerToken(shape), 34 + 64);
  });
});

function trial(threads: number, tokensPerSecond: number): ThreadTrial {
  return { threads, tokensPerSecond };
}

void describe("choosing threads", () => {
  void test("tries powers of two and all cores", () => {
    assert.deepEqual(threadCounts(1), [1]);
    assert.deepEqual(threadCounts(4), [1, 2, 4]);
    assert.deepEqual(threadCounts(6), [1, 2, 4, 6]);
  });

  void test("takes more only if it pays", () => {
    assert.equal(fastest([trial(1, 100), trial(2, 105), trial(4, 50)]), 1);
    assert.equal(fastest([trial(1, 100), trial(2, 190), trial(4, 350)]), 4);
  });
});
