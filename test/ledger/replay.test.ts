import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts, type BalanceRow } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import type { Charge } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { readEntries, readState } from "../../src/ledger/restore.ts";
import { foldAll, sorted, stateOf, withoutPast } from "./folded.ts";

const ACCOUNTS = ["global/local", "global/acme", "global/acme/alice", "global/acme/bob"];
const NOON_US = Date.UTC(2026, 0, 1, 12) * 1_000;
const HOUR_US = 3_600 * 1_000_000;

const count = fc.integer({ min: 0, max: 1_000_000 });
const charge: fc.Arbitrary<Charge> = fc.record(
  {
    nanoUsd: fc.integer({ min: 0, max: 5_000_000_000 }),
    inputTokens: count,
    outputTokens: count,
    requests: fc.integer({ min: 0, max: 3 }),
  },
  { noNullPrototype: true },
);
/** Which of the holds, or posts in doubt, that there are. */
const choice = fc.nat();

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("reserve" as const), account: choice, charge }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("extend" as const), which: choice, charge }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("post" as const), which: choice, charge }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("void" as const), which: choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("doubt" as const), which: choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("adjust" as const), which: choice, charge }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wait" as const), hours: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("write" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A ledger file beside a budget that nothing ever happens to. */
class Bench {
  readonly #path: string;
  readonly budget = new Budget();
  /** Counts the same entries, in memory only. */
  readonly live = new Accounts();
  nowUs = NOON_US;
  database: DatabaseSync;
  #writer: EntryWriter;
  #group: LedgerEntry[] = [];
  #holds = 0;

  constructor(path: string) {
    this.#path = path;
    this.database = openDatabase(path);
    this.#writer = new EntryWriter(this.database);
  }

  take(next: Step): void {
    const holds = [...this.live.holds.keys()];
    const doubtful = [...this.live.inDoubt.keys()];
    switch (next.do) {
      case "reserve": {
        const account = ACCOUNTS[next.account % ACCOUNTS.length]!;
        const id = `h${this.#holds++}`;
        return this.#add(this.budget.reserve({ id, account, charge: next.charge, nowUs: this.nowUs }));
      }
      case "extend":
        if (holds.length === 0) return;
        return this.#add(this.budget.extend(pick(holds, next.which), next.charge, this.nowUs));
      case "post":
        if (holds.length === 0) return;
        return this.#add(this.budget.post(pick(holds, next.which), next.charge, this.nowUs));
      case "void":
        if (holds.length === 0) return;
        return this.#add(this.budget.void(pick(holds, next.which), this.nowUs));
      case "doubt":
        if (holds.length === 0) return;
        return this.#add(this.budget.postInDoubt(pick(holds, next.which), this.nowUs));
      case "adjust":
        if (doubtful.length === 0) return;
        return this.#add(this.budget.adjust(pick(doubtful, next.which), next.charge, this.nowUs)!);
      case "wait":
        this.nowUs += next.hours * HOUR_US;
        return;
      case "write":
        return this.write();
      case "crash":
        return this.reopen();
      case "close":
        this.write();
        this.#writer.close();
        return this.reopen();
    }
  }

  write(): void {
    this.#writer.write(toFields(this.#group));
    this.#group = [];
  }

  /** As after a crash: what was written is all there is, and nobody has summed it up. */
  reopen(): void {
    this.write();
    this.database.close();
    this.database = openDatabase(this.#path);
    this.#writer = new EntryWriter(this.database);
  }

  summarize(): void {
    this.write();
    this.#writer.close();
  }

  #add(entry: LedgerEntry | object): void {
    assert.ok("sequence" in entry);
    this.live.apply(entry);
    this.#group.push(entry);
  }
}

function pick<T>(items: readonly T[], which: number): T {
  return items[which % items.length]!;
}

test("whatever happens, the file adds up to what was counted in memory", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-ledger-"));
  let run = 0;
  try {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const bench = new Bench(join(folder, `${run++}.db`));
        for (const next of steps) bench.take(next);
        bench.write();
        const expected = sorted(withoutPast(stateOf(bench.live)));
        assert.deepEqual(sorted(withoutPast(readState(bench.database))), expected, "reopened");
        assert.deepEqual(sorted(stateOf(foldAll(bench.database))), sorted(stateOf(bench.live)), "audited");
        bench.summarize();
        assert.deepEqual(sorted(withoutPast(readState(bench.database))), expected, "summed up");
        assert.deepEqual(
          everyDay(bench.database),
          sorted(stateOf(bench.live)).balances,
          "days that are over",
        );
        bench.database.close();
      }),
      { numRuns: 150 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Every balance in the file, in the order of `sorted`. */
function everyDay(database: DatabaseSync): BalanceRow[] {
  const rows = database
    .prepare(
      `SELECT name AS account, window, start_us AS startUs, CAST(nano_usd AS TEXT) AS nanoUsd,
         input_tokens AS inputTokens, output_tokens AS outputTokens, requests
       FROM balances JOIN accounts ON accounts.id = balances.account`,
    )
    .all()
    .map((row) => ({ ...row })) as unknown as BalanceRow[];
  return sorted({ sequence: 0, clockUs: 0, balances: rows, holds: [], inDoubt: [] }).balances;
}

test("an entry comes back as it was written", () => {
  const database = openDatabase(":memory:");
  const budget = new Budget();
  const held = { nanoUsd: 9_000_000_000_000_000, inputTokens: 3, outputTokens: 4, requests: 1 };
  const used = { nanoUsd: 9_000_000_000_000_001, inputTokens: 3, outputTokens: 5, requests: 1 };
  const entries = [
    budget.reserve({ id: "r/0:0", account: "global/local", charge: held, nowUs: NOON_US }) as LedgerEntry,
    budget.post("r/0:0", used, NOON_US + 1),
  ];
  assert.notEqual(entries[1]!.overage, null);
  new EntryWriter(database).write(toFields(entries));
  assert.deepEqual([...readEntries(database, { after: 0 })], entries);
  database.close();
});

test("a group whose first writing is in doubt is not written twice", () => {
  const database = openDatabase(":memory:");
  const budget = new Budget();
  const reserve = (id: string): LedgerEntry =>
    budget.reserve({
      id,
      account: "global/local",
      charge: { nanoUsd: 1, inputTokens: 1, outputTokens: 1, requests: 1 },
      nowUs: NOON_US,
    }) as LedgerEntry;
  const [first, second] = [reserve("a"), reserve("b")];
  new EntryWriter(database).write(toFields([first]));
  new EntryWriter(database).write(toFields([first, second]));
  assert.deepEqual([...readEntries(database, { after: 0 })], [first, second]);
  database.close();
});
