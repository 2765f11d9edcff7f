import assert from "node:assert/strict";
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { gpuRates } from "../../src/prices/gpu-hour.ts";
import { parseRatio } from "../../src/prices/ratio.ts";
import { findProfile, throughputOf } from "../../src/prices/throughput.ts";
import { writeProfile } from "../../src/simulator/calibration/profile-file.ts";
import type { EngineProfile } from "../../src/simulator/engine-profiles/engine-profile.ts";
import { ENGINE_PROFILES } from "../../src/simulator/engine-profiles/index.ts";

const exactly = (text: string): NonNullable<ReturnType<typeof parseRatio>> => parseRatio(text)!;

test("a token pays for the GPU time it keeps, idle time included, rounded up", () => {
  const cost = {
    gpuHour: 3_600_000_000,
    gpus: exactly("2"),
    utilisation: exactly("0.5"),
    prefillPerSecond: exactly("4000"),
    decodePerSecond: exactly("1000"),
  };
  // 2 GPUs at 1 USD in 1000 s are 0.002 USD a second, and half of the seconds are idle.
  assert.deepEqual(gpuRates(cost), { input: 1_000_000_000, output: 4_000_000_000 });
  // A third of a nano-USD counts as a whole one.
  assert.equal(gpuRates({ ...cost, gpuHour: 3_600, decodePerSecond: exactly("3000") }).output, 1_334);
});

/** A step takes 10 ms and 1 ms a token of prompt, or 20 ms, 1 ms a sequence and 10 µs a token of its context. */
const PROFILE: EngineProfile = {
  name: "made-up",
  source: "invented",
  prefillUs: [10_000, 1_000, 0],
  decodeUs: [20_000, 1_000, 10],
  kvTokens: 1_000,
  blockTokens: 10,
  sequencesMax: 8,
  contextTokens: 500,
  batching: { kind: "mixed", tokensPerStepMax: 200 },
  prefixCache: true,
  startUs: 0,
  bytesPerKvToken: 1,
};

test("throughput is that of full steps and of the largest batch that fits", () => {
  // 4 prompts of 50 tokens are read in 210 ms; 8 answers, each with 50 + 10 tokens, take 20 + 8 + 4.8 ms a token.
  assert.deepEqual(throughputOf(PROFILE, { promptTokens: 50, outputTokens: 20 }), {
    prefillPerSecond: String(Math.floor((200 / 0.21) * 1_000) / 1_000),
    decodePerSecond: String(Math.floor((8 / 0.0328) * 1_000) / 1_000),
    batch: 8,
  });
  // One of 400 takes two steps, and only two of 400 + 100 tokens fit into the cache.
  assert.deepEqual(throughputOf(PROFILE, { promptTokens: 400, outputTokens: 100 }), {
    prefillPerSecond: String(Math.floor((400 / 0.42) * 1_000) / 1_000),
    decodePerSecond: String(Math.floor((2 / 0.031) * 1_000) / 1_000),
    batch: 2,
  });
});

test("an engine that has no room for one usual request has no throughput", () => {
  assert.throws(
    () => throughputOf(PROFILE, { promptTokens: 490, outputTokens: 20 }),
    /^Error: made-up has room for 500 tokens, and a usual request takes 510$/,
  );
});

test("every profile that comes with Headgate has a throughput", () => {
  const usual = { promptTokens: 512, outputTokens: 128 };
  const profiles = Object.values(ENGINE_PROFILES);
  assert.ok(profiles.length > 20);
  for (const profile of profiles) {
    const { prefillPerSecond, decodePerSecond, batch } = throughputOf(profile, usual);
    assert.ok(Number(prefillPerSecond) > 0 && Number(decodePerSecond) > 0 && batch >= 1, profile.name);
    assert.ok(parseRatio(prefillPerSecond) !== null && parseRatio(decodePerSecond) !== null, profile.name);
  }
});

test("a profile is one that comes with Headgate, or a file that calibrate wrote", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-prices-"));
  try {
    writeProfile(join(folder, "mine.json"), PROFILE);
    assert.deepEqual(findProfile("mine.json", folder), PROFILE);
    assert.equal(findProfile("h100-llama-3.1-8b", folder).name, "h100-llama-3.1-8b");
    assert.throws(() => findProfile("other.json", folder), /other\.json: cannot be read as a profile/);
    assert.throws(() => findProfile("h100-lama", folder), /There is no engine profile "h100-lama"/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
