import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { DatabaseSync } from "node:sqlite";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { isKnownAccount } from "../../src/ledger/known-account.ts";
import { readUsage, type UsageGrouping, type UsageRow } from "../../src/ledger/usage-table.ts";

const at = (iso: string): number => Date.parse(iso) * 1_000;

let database: DatabaseSync;
let writer: EntryWriter;
let budget: Budget;
let holds: number;
beforeEach(() => {
  database = openDatabase(":memory:");
  writer = new EntryWriter(database);
  budget = new Budget();
  holds = 0;
});
afterEach(() => database.close());

function spend(use: { account: string; model: string; usd: number; iso: string }): void {
  const nowUs = at(use.iso);
  const charge = {
    ...NOTHING,
    nanoUsd: use.usd,
    outputTokens: 2 * use.usd,
    reasoningTokens: use.usd,
    requests: 1,
  };
  const asked = { account: use.account, priority: null, charge };
  const id = `h${holds++}`;
  const reserve = budget.reserve({ id, model: use.model }, asked, nowUs) as LedgerEntry;
  writer.write(toFields([reserve, budget.post(id, charge, nowUs + 1)]));
}

function used(
  account: string,
  by: Partial<UsageGrouping>,
  range: [string, string] = ["2026-01-01", "2027-01-01"],
): unknown[] {
  const [fromUs, untilUs] = range.map(at) as [number, number];
  const grouping = { depth: null, model: false, daysIn: null, ...by };
  return readUsage(database, { account, fromUs, untilUs, by: grouping }).map(
    ({ nanoUsd, ...row }: UsageRow) => {
      assert.equal(row.outputTokens, 2 * Number(nanoUsd));
      assert.equal(row.reasoningTokens, Number(nanoUsd));
      const { account: name, model, day } = row;
      return [...[name, model, day].filter((text) => text !== null), Number(nanoUsd)];
    },
  );
}

test("what was used is told apart by account, model and day, whether a snapshot has summed it up or not", () => {
  spend({ account: "global/acme/lab/alice", model: "small", usd: 1, iso: "2026-03-28T22:30:00Z" });
  spend({ account: "global/acme/lab/bob/agent", model: "large", usd: 2, iso: "2026-03-28T23:30:00Z" });
  spend({ account: "global/acme-too/carol", model: "small", usd: 4, iso: "2026-03-29T21:59:59Z" });
  // Adds up what was written so far.
  writer.close();
  writer = new EntryWriter(database);
  spend({ account: "global/acme/lab/alice", model: "small", usd: 8, iso: "2026-03-29T22:00:00Z" });
  spend({ account: "global/acme/lab/alice", model: "small", usd: 16, iso: "2026-03-29T22:10:00Z" });
  assert.deepEqual(used("global", {}), [[31]]);
  assert.deepEqual(used("global", { depth: 2 }), [
    ["global/acme", 27],
    ["global/acme-too", 4],
  ]);
  assert.deepEqual(used("global/acme", { depth: Infinity, model: true }), [
    ["global/acme/lab/alice", "small", 25],
    ["global/acme/lab/bob/agent", "large", 2],
  ]);
  assert.deepEqual(used("global/acme", { depth: 4, daysIn: "Europe/Berlin" }), [
    ["global/acme/lab/alice", "2026-03-28", 1],
    ["global/acme/lab/alice", "2026-03-30", 24],
    ["global/acme/lab/bob", "2026-03-29", 2],
  ]);
  assert.deepEqual(used("global", { daysIn: "UTC" }), [
    ["2026-03-28", 3],
    ["2026-03-29", 28],
  ]);
  assert.deepEqual(used("global", { daysIn: "Asia/Kolkata" }), [
    ["2026-03-29", 3],
    ["2026-03-30", 28],
  ]);
  // The 29th in Berlin: 23 hours.
  assert.deepEqual(used("global", { model: true }, ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]), [
    ["large", 2],
    ["small", 4],
  ]);
  assert.deepEqual(used("global/nobody", {}), []);
  assert.throws(() => used("global", { daysIn: "Europe/Atlantis" }), /is no time zone/);
});

test("what an adjust takes back counts when it was held, and a group in which nothing is left is left out", () => {
  const asked = {
    account: "global/acme",
    priority: null,
    charge: { ...NOTHING, nanoUsd: 5, outputTokens: 10, reasoningTokens: 5 },
  };
  const early = at("2026-03-28T10:00:00Z");
  const entries = [
    budget.reserve({ id: "a", model: "m" }, asked, early) as LedgerEntry,
    budget.postInDoubt("a", early),
  ];
  writer.write(toFields(entries));
  writer.close();
  assert.deepEqual(used("global", { daysIn: "UTC" }), [["2026-03-28", 5]]);
  writer = new EntryWriter(database);
  writer.write(toFields([budget.adjust("a", NOTHING, at("2026-04-02T10:00:00Z"))!]));
  assert.deepEqual(used("global", { daysIn: "UTC" }), []);
  writer.close();
  assert.deepEqual(used("global", { daysIn: "UTC" }), []);
});

test("an account is known by what was spent below it, at any depth", () => {
  spend({ account: "global/acme/lab/alice", model: "small", usd: 1, iso: "2026-03-28T22:30:00Z" });
  for (const account of ["global", "global/acme", "global/acme/lab", "global/acme/lab/alice"]) {
    assert.ok(isKnownAccount(database, account), account);
  }
  for (const account of ["global/ac", "global/acme/la", "global/acme/lab/alice/agent"]) {
    assert.ok(!isKnownAccount(database, account), account);
  }
});
