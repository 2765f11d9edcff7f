import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { createKey } from "../../src/keys/key-table.ts";
import { ChangeTeller, NO_VERSIONS, readChanges } from "../../src/ledger/changes.ts";
import { inTransaction, openDatabase } from "../../src/ledger/database.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";

const ALICE = { tenant: "acme", name: "alice" };
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

function setLimit(amount: string): void {
  writeLimit(command, { ...LIMIT, amount });
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
  const before = readChanges(supervisor, NO_VERSIONS);
  assert.deepEqual(before, { limits: [], keys: [], through: NO_VERSIONS });
  const after = readChanges(supervisor, before.through);
  assert.deepEqual(after.limits, [LIMIT]);
  assert.deepEqual(
    after.keys.map(({ tenant, name }) => ({ tenant, name })),
    [ALICE],
  );
});

test("limits are told before keys, and what was read earlier but comes later is left out", () => {
  const told: string[] = [];
  const teller = new ChangeTeller(NO_VERSIONS, {
    limits: (limits) => told.push(...limits.map(({ amount }) => `limit ${amount}`)),
    keys: (keys) => told.push(...keys.map(({ name }) => `key ${name}`)),
  });
  setLimit("5");
  const early = readChanges(supervisor, NO_VERSIONS);
  setLimit("7");
  createKey(command, ALICE);
  const late = readChanges(supervisor, teller.told);
  teller.tell(late);
  teller.tell(early);
  teller.tell(late);
  assert.deepEqual(told, ["limit 7", "key alice"]);
  assert.deepEqual(teller.told, late.through);
  setLimit("8");
  teller.tell(readChanges(supervisor, early.through));
  assert.deepEqual(told, ["limit 7", "key alice", "limit 8"]);
});
