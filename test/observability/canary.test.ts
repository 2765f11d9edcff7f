import assert from "node:assert/strict";
import { test } from "node:test";
import { Canary, type CanaryReport } from "../../src/observability/canary.ts";
import { RECORD } from "./record.ts";

const IN_USE = { policy: "old", canary: { profile: "new", share: 0.1 } };

function reportOf(times: { old: number[]; new: number[] }): CanaryReport {
  const canary = new Canary();
  for (const profile of ["old", "new"] as const) {
    for (const ms of times[profile]) canary.settled({ ...RECORD, profile, ttftUs: ms * 1_000 });
  }
  return canary.report(IN_USE);
}

function verdict(times: { old: number[]; new: number[] }): unknown {
  return reportOf(times).difference?.verdict;
}

/** Times that are spread, and the same each time. */
const spread = (count: number, from: number): number[] =>
  Array.from({ length: count }, (_, i) => from + ((i * 7) % 10));

test("both sides are reported with counts, costs and times", () => {
  const canary = new Canary();
  canary.settled({ ...RECORD, profile: "old", ttftUs: 1_000 });
  canary.settled({ ...RECORD, profile: "old", ttftUs: 3_000 });
  canary.settled({ ...RECORD, profile: "new", outcome: "failed", ttftUs: null });
  canary.settled({ ...RECORD, profile: "" });
  assert.deepEqual(canary.report(IN_USE), {
    profile: "old",
    canary: "new",
    share: 0.1,
    profiles: [
      {
        profile: "old",
        requests: 2,
        completed: 2,
        cost_usd: 2,
        ttft_ms: { samples: 2, mean: 2, p50: 2, p99: 2.98 },
      },
      { profile: "new", requests: 1, completed: 0, cost_usd: 1, ttft_ms: null },
    ],
    difference: null,
  });
});

test("a difference is told with its direction, none where chance explains it", () => {
  assert.equal(verdict({ old: spread(50, 100), new: spread(50, 90) }), "faster");
  assert.equal(verdict({ old: spread(50, 100), new: spread(50, 110) }), "slower");
  assert.equal(verdict({ old: spread(50, 100), new: spread(50, 100) }), "same");
  assert.equal(verdict({ old: spread(7, 100), new: spread(50, 10) }), undefined);
  // Mostly a little faster, now and then much slower: on average slower, by ranks faster.
  const tail = [...spread(180, 80), ...Array.from({ length: 20 }, () => 2_000)];
  assert.equal(verdict({ old: spread(200, 100), new: tail }), "unclear");
});

test("the latest times count, and what is kept is bounded", () => {
  const { profiles } = reportOf({
    old: [...Array<number>(4_096).fill(1), ...Array<number>(4_096).fill(5)],
    new: [],
  });
  assert.deepEqual(profiles[0]!.ttft_ms, { samples: 4_096, mean: 5, p50: 5, p99: 5 });
  const canary = new Canary();
  for (let i = 0; i < 100; i++) canary.settled({ ...RECORD, profile: `p${i}` });
  assert.equal(canary.report(IN_USE).profiles.length, 16);
});

test("other profiles begin anew", () => {
  const canary = new Canary();
  canary.settled({ ...RECORD, profile: "old" });
  canary.reset();
  assert.deepEqual(canary.report({ policy: "old", canary: "off" }), {
    profile: "old",
    canary: null,
    share: 0,
    profiles: [],
    difference: null,
  });
});
