import assert from "node:assert/strict";
import { test } from "node:test";
import { IN_DOUBT_MAX } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { readState } from "../../src/ledger/restore.ts";

const charge = { ...NOTHING, nanoUsd: 1_000, inputTokens: 10, outputTokens: 20, requests: 1 };

test("of more posts in doubt than are remembered, the latest are read back, in order", () => {
  const database = openDatabase(":memory:");
  const budget = new Budget();
  const entries: LedgerEntry[] = [];
  for (let i = 0; i < IN_DOUBT_MAX + 5; i++) {
    const asked = { account: "global/acme", priority: null, charge };
    entries.push(budget.reserve({ id: `h${i}`, model: "m" }, asked, i) as LedgerEntry);
    entries.push(budget.postInDoubt(`h${i}`, i));
  }
  const writer = new EntryWriter(database);
  writer.write(toFields(entries));
  writer.close();
  const { inDoubt } = readState(database);
  assert.equal(inDoubt.length, IN_DOUBT_MAX);
  assert.deepEqual([inDoubt[0]?.hold, inDoubt.at(-1)?.hold], ["h5", `h${IN_DOUBT_MAX + 4}`]);
  const row = database.prepare("SELECT count(*) AS posts FROM entries WHERE in_doubt = 1").get()!;
  assert.equal(row["posts"], IN_DOUBT_MAX + 5);
  database.close();
});
