import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { budgetLines } from "../../src/administration/budget-lines.ts";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { reportBudgets } from "../../src/ledger/report.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { LedgerFile } from "./ledger-file.ts";

const AT = "2026-10-05T10:00:00Z";

let ledger: LedgerFile;
before(() => {
  ledger = new LedgerFile();
  writeLimit(ledger.database, { account: "global/acme", unit: "usd", window: "total", amount: "5000" });
  ledger.spend("global/acme/alice", { at: AT, nanoUsd: 10, inDoubt: true });
  ledger.spend("global/acme/alice", { at: AT, nanoUsd: 50, overageNanoUsd: 20 });
  ledger.spend("global/acme2/bob", { at: AT, nanoUsd: 300, inDoubt: true });
  ledger.spend("global/acme2/bob", { at: AT, nanoUsd: 700, overageNanoUsd: 400 });
});
after(() => ledger.close());

/** Accounts, and posts that are in doubt or brought an overage, with their nano-USD. */
function seen(top?: string): [accounts: string[], inDoubt: [number, string], overage: [number, string]] {
  const nowUs = Date.parse(AT) * MICROS_PER_MILLI;
  const report = reportBudgets(ledger.database, nowUs, top);
  const { inDoubt, overage } = report;
  const accounts = budgetLines(report).map(({ account }) => account);
  return [accounts, [inDoubt.posts, inDoubt.usd], [overage.posts, overage.usd]];
}

test("a report on an account is of it and all below it, and of nobody else", () => {
  const acme = ["global/acme", "global/acme/alice"];
  assert.deepEqual(seen("global/acme"), [acme, [1, "0.00000001"], [1, "0.00000002"]]);
  const bob = ["global/acme2/bob"];
  assert.deepEqual(seen("global/acme2/bob"), [bob, [1, "0.0000003"], [1, "0.0000004"]]);
  assert.deepEqual(seen("global/nobody"), [[], [0, "0"], [0, "0"]]);
  assert.deepEqual(seen(), [
    ["global/acme", "global", "global/acme/alice", "global/acme2", "global/acme2/bob"],
    [2, "0.00000031"],
    [2, "0.00000042"],
  ]);
});
