import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readHeartbeat } from "../../src/gateway/heartbeat-report.ts";

const REPORT = {
  worker_id: "w1",
  worker_url: "http://127.0.0.1:3001",
  timestamp: 1,
  health: { alive: true, active_sessions: 0, kv_cache_bytes: 0 },
  epoch: "1",
  models: [{ model: "tiny", context_tokens: 1_024, slots: 2, kv_bytes_per_token: 64 }],
};

describe("a worker's report", () => {
  it("may leave out what it is and does beside its sessions", () => {
    const report = readHeartbeat(REPORT);
    assert.partialDeepStrictEqual(report, { role: "both", labels: {}, progress: null, cache: null });
    assert.ok("models" in report);
    assert.partialDeepStrictEqual(report.models[0], { modelHash: null, stateFingerprint: null });
  });

  it("tells role, labels, progress, caches, and whom its state suits", () => {
    const cache = { sequence: 3, stored: [1, 2 ** 52 - 1], removed: [5] };
    const told = {
      role: "prefill",
      labels: { region: "eu", capability: "tools,vision" },
      progress: 17,
      cache,
      models: [{ ...REPORT.models[0], model_hash: "m", state_fingerprint: "s" }],
    };
    const report = readHeartbeat({ ...REPORT, ...told });
    assert.partialDeepStrictEqual(report, {
      role: "prefill",
      labels: { region: "eu", capability: "tools,vision" },
      progress: 17,
      cache,
      models: [{ modelHash: "m", stateFingerprint: "s" }],
    });
  });

  for (const [field, changes] of [
    ["role", { role: "boss" }],
    ["models.0.gpus", { models: [{ ...REPORT.models[0], gpus: 0.0005 }] }],
    ["labels.region", { labels: { region: "e u" } }],
    ["labels", { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, "v"])) }],
    ["progress", { progress: -1 }],
    ["cache.stored", { cache: { sequence: 0, stored: Array(131_073).fill(1), removed: [] } }],
    ["cache.removed.0", { cache: { sequence: 0, stored: [], removed: [0.5] } }],
    ["cache.sequence", { cache: { stored: [], removed: [] } }],
  ] as const) {
    it(`is refused with a wrong ${field}, by its name`, () => {
      const report = readHeartbeat({ ...REPORT, ...changes });
      assert.ok("error" in report);
      assert.ok(report.error.startsWith(`${field}: `), report.error);
    });
  }
});
