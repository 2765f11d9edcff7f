import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ERRORS } from "../../src/core/errors.ts";
import { mayFollow, type Stage } from "../../src/core/lifecycle.ts";
import { currentCommit } from "../../src/simulator/command.ts";
import { ALL_FAULTS } from "../../src/simulator/faults.ts";
import { type SimulationReport, simulateSeeds } from "../../src/simulator/simulate.ts";
import { violationText } from "../../src/simulator/summary.ts";

const SEEDS = 300;

describe(`${SEEDS} seeds`, () => {
  let reports: SimulationReport[] = [];
  before(() => {
    reports = simulateSeeds({ from: 1, count: SEEDS });
  });

  test("no checker finds a violation", () => {
    const failed = reports.find(({ violations }) => violations.length > 0);
    if (failed === undefined) return assert.equal(reports.length, SEEDS);
    assert.fail(violationText(failed, { commit: currentCommit(), node: process.version }));
  });

  test("every fault strikes", () => {
    assertSeen(
      ALL_FAULTS,
      reports.flatMap(({ faults }) => Object.keys(faults)),
    );
  });

  test("requests end in every way", () => {
    const outcomes = ["completed", "failed", "abandoned", "dropped"];
    assertSeen(
      outcomes,
      reports.flatMap((report) => Object.keys(report.outcomes)),
    );
  });

  test("clients meet every error that the core can give", () => {
    assertSeen(
      CORE_ERRORS,
      reports.flatMap(({ errors }) => Object.keys(errors)),
    );
  });

  test("everything happens to money that can", () => {
    assertSeen(
      MONEY,
      reports.flatMap(({ money }) => Object.keys(money)),
    );
  });

  test("everything is done about slow and broken endpoints that can be", () => {
    assertSeen(
      MECHANISMS,
      reports.flatMap(({ mechanisms }) => Object.keys(mechanisms)),
    );
  });

  test("every transition of the lifecycle is taken", () => {
    const legal = STAGES.flatMap((from) => {
      return STAGES.filter((to) => mayFollow(from, to)).map((to) => `${from}→${to}`);
    });
    assertSeen(
      legal,
      reports.flatMap(({ transitions }) => transitions),
    );
  });

  test("most requests are answered in some runs, and few in others", () => {
    const shares = reports.map(({ outcomes, requests }) => (outcomes["completed"] ?? 0) / requests);
    assert(Math.max(...shares) > 0.9, "a run where nearly all is well");
    assert(Math.min(...shares) < 0.3, "a run where little is");
  });
});

const STAGES: readonly Stage[] = [
  "admit",
  "plan",
  "reserve",
  "queue",
  "place",
  "dispatch",
  "stream",
  "settle",
];

/** As in a report. */
const MONEY: readonly string[] = [
  "refusals",
  "grants of more credit",
  "answers that a limit cut short",
  "overages",
  "holds in doubt",
  "holds in doubt that receipts put right",
  "slices opened",
  "slices closed",
  ...[
    "account_closed",
    "account_exists",
    "budget_exhausted",
    "budget_insufficient",
    "capacity",
    "invalid_request",
    "not_found",
  ].map((code) => `slices refused, ${code}`),
];

/** As in a report. */
const MECHANISMS: readonly string[] = [
  "answers asked to leave",
  "answers that went on elsewhere, read again",
  "answers that went on elsewhere, with their KV state",
  "attempts taken from engines at a standstill",
  "breakers that closed again",
  "breakers that opened",
  "breakers that opened again",
  "engines found at a standstill",
  "hedges",
  "hedges that lost",
  "hedges that won",
  "prompts handed over, read again",
  "prompts handed over, with their KV state",
  "prompts read for others",
  "workers found silent",
  "workers that came back as another process",
];

/** As in a report: `code`, or `code/reason` where the core gives a reason. */
const CORE_ERRORS: readonly string[] = [
  "invalid_request",
  "context_length_exceeded",
  "model_not_found",
  "model_unpriced",
  "budget_insufficient",
  "budget_exhausted",
  "account_closed",
  "deadline_exceeded",
  "rate_limited",
  ...[
    "no_workers",
    "no_healthy_workers",
    "no_matching_labels",
    "all_workers_at_capacity",
    "system_sessions_full",
    "system_kv_cache_full",
    "queue_full",
    "band_full",
    "queue_timeout",
    "evicted",
    "shed",
    "draining",
  ].map((reason) => `capacity/${reason}`),
  ...["unreachable", "endpoint_error", "stream_broken", "prefill_timeout", "stalled", "worker_lost"].map(
    (reason) => `upstream_failed/${reason}`,
  ),
];

test("the errors looked for are those of the table, less the gateway's own", () => {
  const gateways = [
    "account_exists",
    "invalid_api_key",
    "key_not_allowed",
    "origin_not_allowed",
    "not_found",
    "method_not_allowed",
    "body_timeout",
    "body_too_large",
    "internal",
  ];
  const codes = new Set(CORE_ERRORS.map((error) => error.split("/")[0]!));
  assert.deepEqual([...codes, ...gateways].sort(), Object.keys(ERRORS).sort());
});

function assertSeen(expected: readonly string[], seen: readonly string[]): void {
  const all = new Set(seen);
  assert.deepEqual(
    expected.filter((name) => !all.has(name)),
    [],
    "never seen",
  );
}
