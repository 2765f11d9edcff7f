import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { takeCheckpoint } from "../../src/ledger/audit/chain.ts";
import { compact } from "../../src/ledger/audit/compact.ts";
import { AuditError } from "../../src/ledger/audit/problem.ts";
import { segmentPath } from "../../src/ledger/audit/segments.ts";
import { openSigner } from "../../src/ledger/audit/signing-key.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { takeOwnership } from "../../src/ledger/ownership.ts";
import { reportBudgets } from "../../src/ledger/report.ts";
import { readState } from "../../src/ledger/restore.ts";
import { readUsage } from "../../src/ledger/usage-table.ts";
import { audit, HOUR_US, SampleLedger, START_US } from "./sample-ledger.ts";

const COMPACTING = fileURLToPath(new URL("compacting-process.ts", import.meta.url));
const GROUPS = 60;
/** Two thirds of what is spent. */
const BEFORE_US = START_US + 10 * HOUR_US;
/** So that there is more than one. */
const segmentRecords = 100;

let ledger: SampleLedger;
beforeEach(() => {
  ledger = new SampleLedger();
  ledger.administer();
  ledger.spend(GROUPS);
  ledger.stop();
});
afterEach(() => {
  ledger[Symbol.dispose]();
  rmSync(dirname(ledger.stateFolder), { recursive: true });
});

function countOf(database: DatabaseSync, table: string): number {
  return database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()!["rows"] as number;
}

/** What everybody else reads from the ledger. */
function reports(database: DatabaseSync): unknown {
  const by = { depth: Infinity, model: true, daysIn: "UTC" };
  return {
    state: readState(database),
    budgets: reportBudgets(database, ledger.nowUs),
    usage: readUsage(database, { account: "global", fromUs: 0, untilUs: ledger.nowUs, by }),
  };
}

test("old entries are moved to files; what they add up to, and all that is read, stays the same", () => {
  const kept = takeCheckpoint(ledger.database, openSigner(ledger.stateFolder));
  const before = { entries: countOf(ledger.database, "entries"), reports: reports(ledger.database) };
  const result = compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  assert(result.segments > 2 && result.moved > before.entries / 2 && result.isShrunk);
  assert.equal(countOf(ledger.database, "entries"), before.entries - result.deleted);
  assert.deepEqual(reports(ledger.database), before.reports);
  const { problem, walk, segments } = audit(ledger.stateFolder, { kept });
  assert.deepEqual([problem, walk?.entries, segments], [null, before.entries, result.segments]);
  assert.equal(audit(ledger.stateFolder, { kept, quick: true }).problem, null);
});

test("the ledger goes on behind it, and is compacted again", () => {
  compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  ledger.spend(GROUPS);
  ledger.stop();
  const { moved } = compact(ledger.database, { beforeUs: ledger.nowUs, segmentRecords });
  assert(moved > GROUPS);
  assert(countOf(ledger.database, "entries") > 0);
  ledger.spend(2);
  assert.equal(audit(ledger.stateFolder).problem, null);
  assert.equal(compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords }).moved, 0);
});

test("while a supervisor has the ledger its file does not get smaller, and all else is done", () => {
  const ownership = takeOwnership(ledger.stateFolder);
  const { moved, isShrunk } = compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  ownership.release();
  assert(moved > 0 && !isShrunk);
  ledger.spend(5);
  assert.equal(audit(ledger.stateFolder).problem, null);
});

test("wherever it is broken off, the ledger is right, and the next one finishes", () => {
  const steps = [];
  for (let fatal = 1; ; fatal++) {
    const folder = join(dirname(ledger.stateFolder), `broken-${fatal}`);
    cpSync(ledger.stateFolder, folder, { recursive: true });
    const given = [COMPACTING, ledgerPath(folder), String(BEFORE_US), String(fatal)];
    const { signal, status, stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
    if (signal === null) {
      assert.equal(status, 0, stderr);
      break;
    }
    const left = audit(folder);
    assert.equal(left.problem, null, `before command ${fatal}`);
    {
      using database = openDatabase(ledgerPath(folder));
      compact(database, { beforeUs: BEFORE_US, segmentRecords });
      steps.push(countOf(database, "entries"));
    }
    const { problem, walk } = audit(folder);
    assert.deepEqual([problem, walk?.entries], [null, left.walk?.entries]);
    rmSync(folder, { recursive: true });
  }
  assert(steps.length > 10);
  assert.equal(new Set(steps).size, 1, "all of them end with the same");
});

test("whatever byte of a segment is changed, and if it is taken away, it is found", () => {
  compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  const path = segmentPath(ledger.stateFolder, 2);
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += at < 20 ? 1 : 97) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    writeFileSync(path, changed);
    assert.equal(audit(ledger.stateFolder).problem?.check, "segments", `byte ${at}`);
  }
  rmSync(path);
  assert.match(audit(ledger.stateFolder).problem!.message, /missing/);
});

test("a segment, or the ledger's word for it, that was replaced is found", () => {
  compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  const [first, second] = [1, 2].map((number) => segmentPath(ledger.stateFolder, number));
  writeFileSync(second!, readFileSync(first!));
  assert.equal(audit(ledger.stateFolder).problem?.check, "segments");
  // The last one with another end.
  const columns = ["number", "first_position", "last_position", "sequence"];
  for (const column of columns) {
    const folder = join(dirname(ledger.stateFolder), `changed-${column}`);
    cpSync(ledger.stateFolder, folder, { recursive: true });
    using database = new DatabaseSync(ledgerPath(folder));
    database.exec(
      `UPDATE segments SET ${column} = ${column} + 1 WHERE number = (SELECT max(number) FROM segments)`,
    );
    assert.notEqual(audit(folder).problem, null, column);
  }
});

test("what stays in the ledger has to be what was moved", () => {
  compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords });
  const left = ledger.database
    .prepare(
      "SELECT sequence FROM entries WHERE overage IS NOT NULL OR in_doubt = 1 ORDER BY sequence LIMIT 1",
    )
    .get()!["sequence"] as number;
  assert(left < 40);
  for (const sql of [
    `UPDATE entries SET model = 'other' WHERE sequence = ${left}`,
    `DELETE FROM entries WHERE sequence = (SELECT min(sequence) FROM entries WHERE in_doubt = 1)`,
    `INSERT INTO entries SELECT 1, at_us, operation, hold, account, 0, 0, 0, 0, at_us, 0, NULL, '', 0, 0, 0, NULL FROM entries LIMIT 1`,
    `DELETE FROM entries WHERE sequence = (SELECT min(sequence) FROM entries WHERE overage IS NOT NULL)`,
    "UPDATE administration SET at_us = at_us + 1 WHERE version = 1",
    "UPDATE chain SET hash = zeroblob(32) WHERE position = (SELECT min(position) FROM chain)",
  ]) {
    const folder = join(dirname(ledger.stateFolder), "left");
    cpSync(ledger.stateFolder, folder, { recursive: true });
    {
      using database = new DatabaseSync(ledgerPath(folder));
      database.exec(sql);
    }
    assert.notEqual(audit(folder).problem, null, sql);
    rmSync(folder, { recursive: true });
  }
});

test("what is not right is not moved", () => {
  ledger.database.exec("UPDATE entries SET output_tokens = output_tokens + 1 WHERE sequence = 20");
  assert.throws(() => compact(ledger.database, { beforeUs: BEFORE_US, segmentRecords }), AuditError);
  assert.deepEqual(readdirSync(join(ledger.stateFolder, "audit")), ["compaction.lock"]);
});
