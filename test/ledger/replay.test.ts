import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { Accounts } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { type Field, toFields } from "../../src/ledger/entry-fields.ts";
import { NANO_PER_USD } from "../../src/core/budget/money.ts";
import { seconds } from "../../src/core/units.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { readEntries, readState } from "../../src/ledger/restore.ts";
import { readUsage } from "../../src/ledger/usage-table.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";
import { LedgerBench, LIMITED, NOON_US, steps } from "./ledger-bench.ts";

/** Those that begin with a quarter of an hour, and those that need not. */
const EVEN = [
  "hour",
  "day",
  "week",
  "month",
  "day@Europe/Berlin",
  "day@Asia/Kolkata",
  "month@Australia/Lord_Howe",
];
const UNEVEN = ["minute", "rolling:90", "rolling:5400", "rolling:100000"];

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-ledger-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function dollars(count: number): Charge {
  return { ...NOTHING, nanoUsd: count * 1e9, outputTokens: count };
}

let files = 0;
function newPath(): string {
  return join(folder, `${files++}.db`);
}

function newBench(): LedgerBench {
  return new LedgerBench(newPath());
}

test("whatever happens, the file says what all its entries add up to in windows that were always counted", () => {
  const template = newPath();
  const empty = new LedgerBench(template);
  for (const window of [...EVEN, ...UNEVEN]) empty.limit("global/acme", window, { isRunning: true });
  empty.database.close();
  fc.assert(
    fc.property(steps([]), (happening) => {
      const path = newPath();
      copyFileSync(template, path);
      const bench = new LedgerBench(path);
      for (const next of happening) bench.take(next);
      bench.write();
      const { tracked } = readState(bench.database);
      assert.equal(tracked.length, EVEN.length + UNEVEN.length);
      const expected = sorted(withoutPast(foldAll(bench.database, { tracked }).state));
      assert.deepEqual(sorted(withoutPast(readState(bench.database))), expected, "as it was left");
      bench.reopen();
      assert.deepEqual(sorted(withoutPast(readState(bench.database))), expected, "reopened");
      bench.summarize();
      assert.deepEqual(sorted(withoutPast(readState(bench.database))), expected, "summed up");
      bench.database.close();
    }),
    { numRuns: 60 },
  );
});

test("a limit that is set at any time counts what was used since its window began, in the file and in the supervisor", () => {
  fc.assert(
    fc.property(steps([...EVEN, ...UNEVEN]), (happening) => {
      const bench = newBench();
      for (const next of happening) bench.take(next);
      bench.write();
      const state = readState(bench.database);
      const all = foldAll(bench.database, { tracked: state.tracked });
      const restored = new Accounts(state);
      const remainders = LIMITED.flatMap((account) => {
        return bench.budget
          .remainders(account, bench.nowUs)
          .filter((remainder) => remainder.account === account);
      });
      assert.equal(remainders.length, state.tracked.length);
      for (const { account, limit, posted, held } of remainders) {
        const what = `${limit.window} of ${account}`;
        const expected = all.balance(account, limit.window, bench.nowUs);
        const inFile = restored.balance(account, limit.window, bench.nowUs);
        const written = bench.written.balance(account, limit.window, bench.nowUs);
        assert.deepEqual(inFile.held, expected.held, what);
        assert.deepEqual(written.held, expected.held, what);
        assert.equal(held, expected.held.nanoUsd, what);
        if (EVEN.includes(limit.window)) {
          assert.deepEqual(inFile.posted, expected.posted, what);
          assert.deepEqual(written.posted, expected.posted, what);
          assert.equal(posted, expected.posted.nanoUsd, what);
        } else {
          // What was held before the window began and posted after it may count, too.
          assert.ok(inFile.posted.nanoUsd >= expected.posted.nanoUsd, what);
          assert.deepEqual(written.posted, inFile.posted, what);
          assert.ok(posted >= expected.posted.nanoUsd, what);
        }
      }
      bench.database.close();
    }),
    { numRuns: 300 },
  );
});

test("what was posted before a window began is not counted in it, though it was in the same quarter of an hour", () => {
  const bench = newBench();
  const once = (usd: number): void => {
    bench.take({ do: "reserve", account: 2, model: 0, charge: dollars(usd) });
    bench.take({ do: "post", which: 0, charge: dollars(usd) });
  };
  const wait = (sec: number): void => bench.take({ do: "wait", us: seconds(sec) });
  bench.nowUs = NOON_US - seconds(10);
  bench.take({ do: "reserve", account: 2, model: 0, charge: dollars(32) });
  wait(20);
  bench.take({ do: "post", which: 0, charge: dollars(32) });
  wait(20);
  once(1);
  bench.take({ do: "close" });
  wait(60);
  once(16);
  wait(155);
  once(2);
  wait(5);
  once(4);
  wait(5);
  once(8);
  const windows = ["minute", "rolling:30", "rolling:60"];
  for (const window of windows) bench.limit("global/acme", window, { isRunning: window === "minute" });
  bench.write();
  const posted = bench.budget.remainders("global/acme", bench.nowUs).map(({ posted: nanoUsd }) => nanoUsd);
  assert.deepEqual(posted, [14n * NANO_PER_USD, 14n * NANO_PER_USD, 14n * NANO_PER_USD]);
  const restored = new Accounts(readState(bench.database));
  for (const window of windows) {
    const { outputTokens } = restored.balance("global/acme", window, bench.nowUs).posted;
    assert.equal(outputTokens, 14, window);
  }
  bench.database.close();
});

test("what corrects a post from before a window began takes nothing off what the window counts", () => {
  const bench = newBench();
  bench.take({ do: "reserve", account: 2, model: 0, charge: dollars(1_000) });
  bench.take({ do: "doubt", which: 0 });
  bench.take({ do: "wait", us: seconds(65) });
  bench.take({ do: "adjust", which: 0, charge: dollars(10) });
  bench.take({ do: "reserve", account: 2, model: 0, charge: dollars(3) });
  bench.take({ do: "post", which: 0, charge: dollars(3) });
  bench.take({ do: "close" });
  for (const window of ["minute", "rolling:30"]) bench.limit("global/acme", window, { isRunning: true });
  assert.deepEqual(
    bench.budget.remainders("global/acme", bench.nowUs).map(({ posted }) => posted),
    [3n * NANO_PER_USD, 3n * NANO_PER_USD],
  );
  bench.database.close();
});

test("of windows that are over, nothing stays in the balances; in what was used, everything does", () => {
  const bench = newBench();
  for (const window of ["minute", "day", "rolling:5"])
    bench.limit("global/acme", window, { isRunning: true });
  const charge = { ...NOTHING, nanoUsd: 1 };
  for (let i = 0; i < 20; i++) {
    bench.take({ do: "reserve", account: 2, model: 0, charge });
    bench.take({ do: "post", which: 0, charge });
    bench.take({ do: "wait", us: seconds(7_000) });
    bench.take({ do: "close" });
  }
  const rows = bench.database
    .prepare("SELECT window FROM balances WHERE window <> 'total' ORDER BY window")
    .all();
  assert.deepEqual(
    rows.map(({ window }) => window),
    ["day", "minute", "rolling:5"],
  );
  const [use] = readUsage(bench.database, {
    account: "global",
    fromUs: NOON_US,
    untilUs: bench.nowUs,
    by: { depth: null, model: false, daysIn: null },
  });
  assert.equal(use?.nanoUsd, 20n);
  bench.database.close();
});

test("an entry comes back as it was written, and the chain is told of each once", () => {
  const database = openDatabase(":memory:");
  const budget = new Budget();
  const held = { ...NOTHING, nanoUsd: 9_000_000_000_000_000, inputTokens: 3, outputTokens: 4, requests: 1 };
  const used = {
    ...held,
    nanoUsd: 9_000_000_000_000_001,
    cachedTokens: 2,
    outputTokens: 5,
    reasoningTokens: 1,
  };
  const asked = { account: "global/local", priority: null, charge: held };
  const entries = [
    budget.reserve({ id: "r/0:0", model: "large" }, asked, NOON_US) as LedgerEntry,
    budget.post("r/0:0", used, NOON_US + 1),
  ];
  assert.notEqual(entries[1]!.overage, null);
  const chained: Field[] = [];
  const writer = new EntryWriter(database, { extend: (rows) => void chained.push(...rows) });
  writer.write(toFields(entries.slice(0, 1)));
  writer.write(toFields(entries));
  assert.deepEqual([...readEntries(database, { after: 0 })], entries);
  assert.deepEqual(chained, toFields(entries));
  database.close();
});

test("a group whose first writing is in doubt is not written twice", () => {
  const database = openDatabase(":memory:");
  const budget = new Budget();
  const asked = { account: "global/local", priority: null, charge: { ...NOTHING, nanoUsd: 1 } };
  const reserve = (id: string): LedgerEntry =>
    budget.reserve({ id, model: "small" }, asked, NOON_US) as LedgerEntry;
  const [first, second] = [reserve("a"), reserve("b")];
  new EntryWriter(database).write(toFields([first]));
  new EntryWriter(database).write(toFields([first, second]));
  assert.deepEqual([...readEntries(database, { after: 0 })], [first, second]);
  database.close();
});
