import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { pino } from "pino";
import { Accounts } from "../../src/core/budget/accounts.ts";
import { readKeys } from "../../src/keys/key-table.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { readLimits } from "../../src/ledger/limit-table.ts";
import { takeOwnership } from "../../src/ledger/ownership.ts";
import { readEntries, readState } from "../../src/ledger/restore.ts";
import { tidyTracking } from "../../src/ledger/tracking.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { readUsage } from "../../src/ledger/usage-table.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";

const VERSION_1 = readFileSync(new URL("version-1.sql", import.meta.url), "utf8");
const at = (iso: string): number => Date.parse(iso) * 1_000;

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-migration-"));
  createStateFolder(stateFolder);
  using file = new DatabaseSync(ledgerPath(stateFolder));
  file.exec(VERSION_1);
});
afterEach(() => rmSync(stateFolder, { recursive: true }));

test("a ledger of version 1 is brought up to this one, with all that was in it", () => {
  using database = openDatabase(ledgerPath(stateFolder));
  const entries = [...readEntries(database, { after: 0 })];
  assert.equal(entries.length, 12);
  assert.deepEqual(entries[4], {
    sequence: 5,
    atUs: at("2026-01-02T01:00:00Z") + 1,
    operation: "post",
    hold: "r2/0:0",
    account: "global/acme/bob",
    model: "",
    charge: {
      nanoUsd: 2_600,
      inputTokens: 10,
      cachedTokens: 0,
      outputTokens: 26,
      reasoningTokens: 0,
      requests: 1,
      gpuUs: 0,
    },
    overage: {
      nanoUsd: 200,
      inputTokens: 0,
      cachedTokens: 0,
      outputTokens: 2,
      reasoningTokens: 0,
      requests: 0,
      gpuUs: 0,
    },
    inDoubt: false,
    heldAtUs: at("2026-01-01T23:00:00Z"),
    parts: null,
  });
  const state = readState(database);
  assert.deepEqual(sorted(withoutPast(state)), sorted(withoutPast(foldAll(database, { tracked: [] }).state)));
  assert.deepEqual(
    state.holds.map(({ id, model, parts }) => [id, model, parts.length]),
    [
      ["r4/0:0", "", 1],
      ["r5/0:0", "", 2],
    ],
  );
  assert.deepEqual(
    state.inDoubt.map(({ hold }) => hold),
    ["r3/0:0"],
  );
  assert.deepEqual(readLimits(database, { after: 0 }).limits, [
    { account: "global/acme", unit: "usd", window: "day", amount: "5000000000" },
    { account: "global/acme/alice", unit: "tokens", window: "total", amount: "9000" },
  ]);
  assert.deepEqual(
    readKeys(database, { after: 0 }).map(({ account, role, start, version }) => [
      account,
      role,
      start,
      version,
    ]),
    [
      ["global/acme/alice", "spend", "hg-xAbyw", 1],
      ["global/acme/bob", "spend", "hg-4G1M6", 2],
    ],
  );
});

test("what was used in version 1 is told apart by the day, in any time zone, and counts in its windows", () => {
  using database = openDatabase(ledgerPath(stateFolder));
  const days = (daysIn: string): unknown[] =>
    readUsage(database, {
      account: "global/acme",
      fromUs: at("2026-01-01T00:00:00Z"),
      untilUs: at("2026-01-04T00:00:00Z"),
      by: { depth: null, model: true, daysIn },
    }).map(({ day, model, nanoUsd, outputTokens }) => [day, model, nanoUsd, outputTokens]);
  assert.deepEqual(days("UTC"), [
    ["2026-01-01", "", 2_700n, 27],
    ["2026-01-02", "", 3_600n, 36],
  ]);
  assert.deepEqual(days("Europe/Berlin"), [
    ["2026-01-01", "", 700n, 7],
    ["2026-01-02", "", 5_600n, 56],
  ]);
  inTransaction(database, () => tidyTracking(database, at("2026-01-02T04:00:00Z")));
  const accounts = new Accounts(readState(database));
  const { posted } = accounts.balance("global/acme", "day", at("2026-01-02T04:00:00Z"));
  assert.equal(posted.nanoUsd, 3_600n);
});

test("a ledger of version 1 that a supervisor still uses is left alone; the one to take it over brings it up", async () => {
  const ownership = takeOwnership(stateFolder);
  assert.throws(() => openDatabase(ledgerPath(stateFolder)), /Another supervisor is using/);
  ownership.release();
  const ledger = openLedger({ stateFolder, log: pino({ level: "silent" }) });
  assert.equal(ledger.restore().state.sequence, 12);
  await ledger.close();
});
