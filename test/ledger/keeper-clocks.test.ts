import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { EMPTY_LEDGER } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { LeaseDesk } from "../../src/core/leasing/lease-desk.ts";
import { type Micros, seconds } from "../../src/core/units.ts";
import { Chain } from "../../src/ledger/audit/chain.ts";
import { exportEntries } from "../../src/ledger/audit/export.ts";
import { openToAudit } from "../../src/ledger/audit/open.ts";
import { publicKeyPem, verifierOf } from "../../src/ledger/audit/signing-key.ts";
import { verifyLedger } from "../../src/ledger/audit/verify.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { readState } from "../../src/ledger/restore.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";

const ACCOUNT = "global/acme/alice";
const START_US: Micros = Date.UTC(2026, 2, 1, 11, 50) * 1_000;
const AHEAD_US = seconds(3);
/** Rolling windows that begin at all sorts of instants, and some that begin with a quarter of an hour. */
const WINDOWS = [
  "minute",
  "hour",
  "day@Asia/Kolkata",
  ...Array.from({ length: 60 }, (_, i) => `rolling:${300 + 7 * i}`),
];

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-clocks-"));
});
afterEach(() => rmSync(stateFolder, { recursive: true, force: true }));

/** Entries of two replicas for so many seconds, as they come to the journal: the clock of one is ahead. */
function entriesOf(durationSeconds: number): LedgerEntry[] {
  const desk = new LeaseDesk({ state: EMPTY_LEDGER, limits: [], tell: () => {} });
  const replicas = [0, AHEAD_US].map((aheadUs, i) => {
    desk.join(`${i}`, START_US);
    return { name: `${i}`, aheadUs, budget: new Budget(), open: [] as string[] };
  });
  const entries: LedgerEntry[] = [];
  for (let i = 0; i < durationSeconds * 5; i++) {
    const { name, aheadUs, budget, open } = replicas[i % 2]!;
    const atUs = START_US + aheadUs + (i * seconds(1)) / 5;
    const charge = { ...NOTHING, nanoUsd: 1_000 + i, outputTokens: 10, requests: 1 };
    const asked = { account: ACCOUNT, priority: null, charge };
    const id = `${name}-${i}`;
    entries.push(desk.append(name, budget.reserve({ id, model: "m" }, asked, atUs) as LedgerEntry)!);
    open.push(id);
    if (open.length < 3) continue;
    const used = { ...charge, nanoUsd: 900 };
    entries.push(desk.append(name, budget.post(open.shift()!, used, atUs))!);
  }
  return entries;
}

test("entries that are not in the order of time count right, in the summary, in new limits and in the audit", () => {
  const entries = entriesOf(1_000);
  assert.ok(entries.some(({ atUs }, i) => i > 0 && atUs < entries[i - 1]!.atUs));
  const untilUs = START_US + seconds(500);
  {
    using database = openDatabase(ledgerPath(stateFolder));
    const chain = new Chain(database);
    // Twice, so that one summary is carried on, in the middle of things.
    const half = Math.floor(entries.length / 2);
    for (const part of [entries.slice(0, half), entries.slice(half)]) {
      const writer = new EntryWriter(database, chain);
      for (let i = 0; i < part.length; i += 100) writer.write(toFields(part.slice(i, i + 100)));
      writer.close();
    }
    for (const window of WINDOWS)
      writeLimit(database, { account: "global", unit: "usd", window, amount: "1" });
    const writer = new EntryWriter(database, chain);
    const nowUs = Math.max(...entries.map(({ atUs }) => atUs));
    inTransaction(database, () => writer.track({ after: 0, nowUs }));
    const { tracked } = readState(database);
    assert.equal(tracked.length, WINDOWS.length);
    const all = foldAll(database, { tracked });
    for (const { account, window } of tracked) {
      const counted = writer.accounts.balance(account, window, nowUs);
      const expected = all.balance(account, window, nowUs);
      assert.deepEqual(counted.held, expected.held, window);
      const over = counted.posted.nanoUsd - expected.posted.nanoUsd;
      // What was held before such a window began and posted after it may count too, and nothing may be missing.
      const isExact = window === "hour" || window.startsWith("day");
      assert.ok(isExact ? over === 0n : over >= 0n, `${window}: ${over} more`);
      assert.ok(over < 50_000n, `${window}: ${over} more`);
    }
    writer.close();
    chain.checkpoint({ balances: true });
    const exported = [...exportEntries(database, { fromUs: null, untilUs, account: null, format: "jsonl" })];
    assert.equal(exported.length, entries.filter(({ atUs }) => atUs < untilUs).length);
  }
  using audited = openToAudit(ledgerPath(stateFolder));
  const verifiers = [verifierOf(publicKeyPem(stateFolder)!)];
  const verdict = verifyLedger(audited, { verifiers, kept: null });
  assert.equal(verdict.problem, null);
  assert.equal(verdict.summary?.holds, 4);
  const state = readState(audited);
  assert.equal(state.clockUs, Math.max(...entries.map(({ atUs }) => atUs)));
  const total = foldAll(audited, { tracked: [] }).state;
  const totals = state.balances.filter(({ window }) => window === "total");
  assert.deepEqual(
    sorted(withoutPast({ ...state, zones: [], tracked: [], balances: totals })),
    sorted({ ...total, zones: [] }),
  );
});
