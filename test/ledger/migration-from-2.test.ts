import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { seconds } from "../../src/core/units.ts";
import { Chain } from "../../src/ledger/audit/chain.ts";
import { publicKeyPem, verifierOf } from "../../src/ledger/audit/signing-key.ts";
import { verifyQuickly } from "../../src/ledger/audit/verify-quick.ts";
import { verifyExport, verifyLedger } from "../../src/ledger/audit/verify.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { SCHEMA_VERSION } from "../../src/ledger/schema.ts";
import { readState } from "../../src/ledger/restore.ts";
import { readUsage } from "../../src/ledger/usage-table.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";

const made = (ending: string): string => fileURLToPath(new URL(`version-2.${ending}`, import.meta.url));
const VERSION_2 = readFileSync(made("sql"), "utf8");
const SIGNER_OF_2 = verifierOf(readFileSync(made("pem"), "utf8"));
const at = (iso: string): number => Date.parse(iso) * 1_000;

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-migration-"));
  createStateFolder(stateFolder);
  using file = new DatabaseSync(ledgerPath(stateFolder));
  file.exec(VERSION_2);
});
afterEach(() => rmSync(stateFolder, { recursive: true }));

/** All that is wrong, each way of looking at it. */
function problems(database: DatabaseSync): unknown[] {
  const own = publicKeyPem(stateFolder);
  const verifiers = [SIGNER_OF_2, ...(own === null ? [] : [verifierOf(own)])];
  return [verifyLedger, verifyQuickly].map((verify) => verify(database, { verifiers, kept: null }).problem);
}

test("what is brought up to this version is kept as it was", () => {
  const told: string[] = [];
  const before = contentOf(ledgerPath(stateFolder));
  openDatabase(ledgerPath(stateFolder), { tell: (words) => told.push(words) }).close();
  const kept = `${ledgerPath(stateFolder)}.schema-2`;
  assert.equal(told.length, 1);
  assert(told[0]!.includes(kept));
  assert.deepEqual(contentOf(kept), before);
  openDatabase(ledgerPath(stateFolder), { tell: (words) => told.push(words) }).close();
  assert.equal(told.length, 1);
});

function contentOf(path: string): unknown[] {
  using database = new DatabaseSync(path, { readOnly: true });
  const tables = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
  const rows = tables
    .filter(({ sql }) => String(sql).startsWith("CREATE TABLE"))
    .map(({ name }) => database.prepare(`SELECT * FROM ${String(name)}`).all());
  return [database.prepare("PRAGMA user_version").get(), tables, rows];
}

test("a ledger of version 2 is brought up to this one, and its audit still holds", () => {
  using database = openDatabase(ledgerPath(stateFolder));
  assert.equal(database.prepare("PRAGMA user_version").get()!["user_version"], SCHEMA_VERSION);
  assert.deepEqual(problems(database), [null, null]);
  const state = readState(database);
  const { tracked } = state;
  assert.deepEqual(sorted(withoutPast(state)), sorted(withoutPast(foldAll(database, { tracked }).state)));
  assert.deepEqual(
    state.holds.map(({ id, charge, parts }) => [id, charge.gpuUs, parts.map((part) => part.charge.gpuUs)]),
    [
      ["r0/0:0", 0, [0, 0]],
      ["r5/0:0", 0, [0, 0]],
      ["r6/0:0", 0, [0]],
    ],
  );
});

test("what version 2 has exported still verifies", () => {
  const verdict = verifyExport(made("jsonl"), { verifiers: [SIGNER_OF_2], kept: null });
  assert.equal(verdict.problem, null);
  assert.equal(verdict.walk!.entries, 18);
});

test("it goes on: GPU time is counted, and corrections count by the parts that posts have kept", () => {
  using database = openDatabase(ledgerPath(stateFolder));
  const chain = new Chain(database);
  const writer = new EntryWriter(database, chain);
  const budget = new Budget(readState(database));
  const nowUs = at("2026-01-02T04:00:00Z");
  const reserve = (id: string, atUs: number): LedgerEntry => {
    const asked = {
      account: "global/acme/alice",
      priority: null,
      charge: { ...NOTHING, nanoUsd: 8_000, gpuUs: 500 },
    };
    return budget.reserve({ id, model: "small" }, asked, atUs) as LedgerEntry;
  };
  const entries = [
    budget.post("r0/0:0", { ...NOTHING, nanoUsd: 9_000, gpuUs: 0 }, nowUs),
    // Held in two quarters of an hour, the second of which has been held for nothing.
    reserve("r7/0:0", nowUs),
    budget.extend(
      "r7/0:0",
      { priority: null, charge: { ...NOTHING, nanoUsd: 8_000, gpuUs: 700 } },
      nowUs + seconds(1_800),
    ),
    budget.postInDoubt("r7/0:0", nowUs + seconds(1_900)),
    budget.adjust("r7/0:0", { ...NOTHING, nanoUsd: 8_500, gpuUs: 600 }, nowUs + seconds(2_000))!,
    // Of the time when parts were not kept: it counts when the hold was begun.
    budget.adjust("r4/0:0", { ...NOTHING, nanoUsd: 3_000 }, nowUs + seconds(2_100))!,
    reserve("r8/0:0", nowUs + seconds(2_200)),
    budget.post("r8/0:0", { ...NOTHING, nanoUsd: 1_000, gpuUs: 400 }, nowUs + seconds(2_300)),
  ] as LedgerEntry[];
  writer.write(toFields(entries));
  writer.close();
  chain.checkpoint({ balances: true });
  assert.deepEqual(problems(database), [null, null]);
  const since = (iso: string): unknown[] => {
    const [fromUs, untilUs] = [at(iso), at(iso) + seconds(900)];
    const by = { depth: null, model: false, daysIn: null };
    return readUsage(database, { account: "global", fromUs, untilUs, by }).map(({ nanoUsd, gpuUs }) => [
      nanoUsd,
      gpuUs,
    ]);
  };
  assert.deepEqual(since("2026-01-02T04:00:00Z"), [[8_000n, 500]]);
  assert.deepEqual(since("2026-01-02T04:30:00Z"), [[1_500n, 500]]);
  assert.deepEqual(since("2026-01-02T01:00:00Z"), [[-5_000n, 0]]);
});
