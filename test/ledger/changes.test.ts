import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { createKey } from "../../src/keys/key-table.ts";
import {
  type Changes,
  ChangeTeller,
  NO_VERSIONS,
  readChanges,
  readPlainChanges,
  type Versions,
  windowsOf,
} from "../../src/ledger/changes.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";

const ALICE = { account: "global/acme/alice", role: "spend" } as const;
const NOW_US = Date.UTC(2026, 2, 1) * 1_000;
const CHARGE = { ...NOTHING, nanoUsd: 7 };
const NOTHING_KNOWN = { zones: [], used: [], through: 0 };
const LIMIT: LimitRow = { account: "global/acme/alice", unit: "usd", window: "day", amount: "5" };

/** Two connections to one file: a command's and a supervisor's. */
let folder: string;
let command: DatabaseSync;
let supervisor: DatabaseSync;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-changes-"));
  command = openDatabase(join(folder, "ledger.db"));
  supervisor = openDatabase(join(folder, "ledger.db"));
});
afterEach(() => {
  command.close();
  supervisor.close();
  rmSync(folder, { recursive: true });
});

function setLimit(amount: string, account = LIMIT.account): void {
  writeLimit(command, { ...LIMIT, account, amount });
}

/** Of limits that need no figures. */
function read(after: Versions): Changes {
  return readChanges(supervisor, after, () => NOTHING_KNOWN);
}

/** A supervisor's writer, through which the account has spent. */
function spendingOn(account: string): EntryWriter {
  const writer = new EntryWriter(supervisor);
  const budget = new Budget();
  const asked = { account, priority: null, charge: CHARGE };
  const reserve = budget.reserve({ id: "a", model: "m" }, asked, NOW_US) as LedgerEntry;
  writer.write(toFields([reserve, budget.post("a", CHARGE, NOW_US)]));
  return writer;
}

test("a key is never seen without the limits it was created with, whenever that happens", () => {
  const prepare = supervisor.prepare.bind(supervisor);
  supervisor.prepare = (sql, ...rest) => {
    // Between the read of the limits and that of the keys.
    if (sql.includes("FROM keys")) {
      inTransaction(command, () => {
        createKey(command, ALICE);
        setLimit("5");
      });
    }
    return prepare(sql, ...rest);
  };
  const before = read(NO_VERSIONS);
  assert.deepEqual(before, { limits: [], known: NOTHING_KNOWN, keys: [], through: NO_VERSIONS });
  const after = read(before.through);
  assert.deepEqual(after.limits, [LIMIT]);
  assert.deepEqual(
    after.keys.map(({ account, role }) => ({ account, role })),
    [ALICE],
  );
});

test("limits are told before keys, and what was read earlier but comes later is left out", () => {
  const told: string[] = [];
  const teller = new ChangeTeller(NO_VERSIONS, {
    limits: (limits) => told.push(...limits.map(({ amount }) => `limit ${amount}`)),
    keys: (keys) => told.push(...keys.map(({ account }) => `key ${account}`)),
  });
  setLimit("5");
  const early = read(NO_VERSIONS);
  setLimit("7");
  createKey(command, ALICE);
  const late = read(teller.told);
  teller.tell(late);
  teller.tell(early);
  teller.tell(late);
  assert.deepEqual(told, ["limit 7", "key global/acme/alice"]);
  assert.deepEqual(teller.told, late.through);
  setLimit("8");
  teller.tell(read(early.through));
  assert.deepEqual(told, ["limit 7", "key global/acme/alice", "limit 8"]);
});

test("what the writer tells of a limit is what it counts itself, and is added up once", () => {
  const writer = spendingOn(ALICE.account);
  setLimit("5");
  setLimit("50", "global");
  inTransaction(supervisor, () => writer.track({ after: 0, nowUs: NOW_US }));
  supervisor.exec("DROP TABLE usage");
  const { known } = readChanges(supervisor, NO_VERSIONS, (limits) => writer.known(windowsOf(limits)));
  assert.equal(known.through, 2);
  assert.deepEqual(
    known.used.map(({ account, window, startUs, nanoUsd }) => ({ account, window, startUs, nanoUsd })),
    ["global", ALICE.account].map((account) => ({ account, window: "day", startUs: NOW_US, nanoUsd: "7" })),
  );
});

test("a new key and its limits can be told at once, for nothing was used under them", () => {
  spendingOn("global/acme/bob");
  createKey(command, ALICE);
  setLimit("5");
  writeLimit(command, { ...LIMIT, window: "week@Europe/Berlin" });
  writeLimit(command, { ...LIMIT, account: "global", window: "total" });
  const changes = readPlainChanges(supervisor, NO_VERSIONS)!;
  assert.equal(changes.limits.length, 3);
  assert.equal(changes.keys.length, 1);
  assert.deepEqual(changes.through, { limits: 3, keys: 1 });
  assert.deepEqual(changes.known.used, []);
  assert.equal(changes.known.through, 2);
  assert.deepEqual(
    changes.known.zones.map(({ zone }) => zone),
    ["Europe/Berlin"],
  );
});

test("a key does not wait for the figures of others' limits, but for those that its own come with", () => {
  spendingOn("global/acme/bob");
  createKey(command, ALICE);
  setLimit("500", "global/acme");
  const keysOnly = readPlainChanges(supervisor, NO_VERSIONS)!;
  assert.deepEqual(keysOnly.limits, []);
  assert.equal(keysOnly.keys.length, 1);
  assert.deepEqual(keysOnly.through, { limits: 0, keys: 1 });
  setLimit("5");
  assert.equal(readPlainChanges(supervisor, NO_VERSIONS), null);
  setLimit("0", "global/acme");
  writeLimit(command, { ...LIMIT, account: "global/acme", amount: null });
  assert.equal(readPlainChanges(supervisor, NO_VERSIONS)?.limits.length, 2);
});
