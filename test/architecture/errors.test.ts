import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type CapacityReason, type ErrorKind, ERRORS } from "../../src/core/errors.ts";

const TABLE: Readonly<Record<string, ErrorKind>> = ERRORS;
const DOCS = new URL("../../docs/errors.md", import.meta.url);

/** What clients rely on. Codes that are not served yet are checked from the day they are. */
const CONTRACT: Readonly<Record<string, number>> = {
  budget_insufficient: 402,
  budget_exhausted: 429,
  rate_limited: 429,
  capacity: 503,
  upstream_failed: 502,
  deadline_exceeded: 504,
  invalid_api_key: 401,
};

/** The compiler sees to it that these are all there are. */
const CAPACITY_REASONS: Readonly<Record<CapacityReason, true>> = {
  no_workers: true,
  no_healthy_workers: true,
  no_matching_labels: true,
  all_workers_at_capacity: true,
  system_sessions_full: true,
  system_kv_cache_full: true,
  queue_full: true,
  band_full: true,
  evicted: true,
  shed: true,
  queue_timeout: true,
  slices_full: true,
  draining: true,
  ledger_unavailable: true,
};

test("errors have the statuses that the contract promises", () => {
  for (const [code, status] of Object.entries(CONTRACT)) {
    if (TABLE[code] !== undefined) assert.equal(TABLE[code].status, status, code);
  }
  for (const code of [
    "budget_insufficient",
    "budget_exhausted",
    "capacity",
    "upstream_failed",
    "deadline_exceeded",
    "invalid_api_key",
  ]) {
    assert(TABLE[code] !== undefined, `${code} is in the table`);
  }
});

test("type and retry fit the status, and every error says what to do", () => {
  for (const [code, { status, type, retryable, advice }] of Object.entries(TABLE)) {
    assert.equal(type === "server_error", status >= 500, code);
    assert.equal(type === "authentication_error", status === 401, code);
    assert.equal(retryable, status >= 500 || status === 408 || status === 429, code);
    assert.match(advice, /^[A-Z].+\.$/, code);
  }
});

test("docs/errors.md lists the same codes, statuses and reasons", { skip: !existsSync(DOCS) }, () => {
  const page = readFileSync(DOCS, "utf8");
  const rows = Array.from(page.matchAll(/^\| `(\w+)` \| (\d+) \|/gm), ([, code, status]) => [
    code,
    Number(status),
  ]);
  assert.deepEqual(
    rows,
    Object.entries(TABLE).map(([code, { status }]) => [code, status]),
  );
  for (const reason of Object.keys(CAPACITY_REASONS)) assert.match(page, new RegExp(`\`${reason}\``));
});
