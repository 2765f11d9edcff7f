import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLive } from "../../bench/validate/live/compare.ts";
import { stepUs } from "../../src/simulator/engine/step-time.ts";

// That what was asked live is what is simulated; how long either takes, nobody asks here.

test("real clients and the simulator's ask the same, and get as much", async () => {
  const { live, simulated, calibration, overhead } = await compareLive({
    model: "headgate-0.3m",
    workers: 1,
    parts: 2,
    requestsPerPart: 20,
    words: { mean: 10, min: 2, max: 60 },
    outputTokens: { mean: 10, min: 2, max: 40 },
    utilisation: 0.5,
    rounds: 1,
    overheadRounds: 2,
    seeds: 2,
    seed: 7,
  });
  assert.equal(live.length, 40);
  for (const { request, outputTokens } of live) assert.equal(outputTokens, request.outputTokens);
  const tokens = live.map(({ promptTokens, outputTokens }) => ({ promptTokens, outputTokens }));
  assert.equal(simulated.length, 2);
  for (const answers of simulated) {
    assert.deepEqual(
      answers.map(({ promptTokens, outputTokens }) => ({ promptTokens, outputTokens })),
      tokens,
    );
  }
  for (const { ttftMs, totalMs } of [...live, ...simulated.flat()])
    assert.ok(ttftMs > 0 && totalMs >= ttftMs);
  assert.ok(overhead.ttftUs >= 0 && overhead.restUs >= 0);
  const { profile } = calibration;
  assert.ok(stepUs(profile, { batch: 1, contextTokens: 100, chunks: [] }) > 0);
  assert.ok(stepUs(profile, { batch: 0, contextTokens: 0, chunks: [{ from: 0, to: 64 }] }) > 0);
});
