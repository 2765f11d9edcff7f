import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Accounts, BalanceRow, TrackedWindow } from "../core/budget/accounts.ts";
import type { ZoneRules } from "../core/budget/calendar.ts";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import { type Micros, seconds } from "../core/units.ts";
import type { AccountIds } from "./account-ids.ts";
import { collect, readEntries, readSnapshot } from "./restore.ts";
import { groupWindows, type QuarterUse, type Share, sumByQuarter, sumByWindow } from "./shares.ts";
import { packHolds } from "./snapshot-holds.ts";

/** Instances that are over are dropped from memory this often. */
const FORGETTING_US = seconds(900);

/**
 * What the entries of the file add up to, and how much of it the file says itself: a snapshot adds what was posted since
 * the one before to `balances` and `usage`, so it costs what was done since, however large the ledger is.
 */
export class Summary {
  readonly accounts: Accounts;
  readonly #database: DatabaseSync;
  readonly #ids: AccountIds;
  readonly #statements: Statements;
  /** Posted since the snapshot. */
  #shares: Share[] = [];
  #snapshotSequence: number;
  #forgetUs: Micros = 0;

  /** As of the snapshot; `catchUp` counts what came after it. Nobody else may append to the file as long as this exists. */
  constructor(database: DatabaseSync, ids: AccountIds) {
    this.#database = database;
    this.#ids = ids;
    this.#statements = prepare(database);
    this.accounts = readSnapshot(database, (...posted) => collect(this.#shares)(...posted));
    this.#snapshotSequence = this.accounts.sequence;
  }

  /** Entries since the snapshot. */
  get unsummed(): number {
    return this.accounts.sequence - this.#snapshotSequence;
  }

  /** What was posted after the snapshot, from the `index`th on: there are as many as `posts` says. */
  sharesFrom(index: number): readonly Share[] {
    return this.#shares.slice(index);
  }

  get posts(): number {
    return this.#shares.length;
  }

  catchUp(): void {
    for (const entry of readEntries(this.#database, { after: this.accounts.sequence })) this.apply(entry);
  }

  apply(entry: LedgerEntry): void {
    this.accounts.apply(entry);
  }

  /** Counts windows from now on; `rows` are what was posted in them up to the snapshot, which the file says already. */
  track(
    windows: readonly TrackedWindow[],
    { rows, zones }: { rows: readonly BalanceRow[]; zones: readonly ZoneRules[] },
  ): void {
    this.accounts.learn(zones);
    const wanted = groupWindows(windows);
    const since = sumByWindow(this.#shares, {
      calendar: this.accounts.calendar,
      windowsOf: (account) => wanted.get(account) ?? [],
    });
    const posted = Map.groupBy([...rows, ...since], ({ account, window }) => `${window} ${account}`);
    for (const tracked of windows) {
      this.accounts.track(tracked, posted.get(`${tracked.window} ${tracked.account}`) ?? []);
    }
  }

  /** What was posted until now in windows that are counted. */
  rowsOf(windows: readonly TrackedWindow[]): BalanceRow[] {
    return [...groupWindows(windows)].flatMap(([account, wanted]) =>
      this.accounts.rowsOf(account).filter(({ window }) => wanted.includes(window)),
    );
  }

  /** Within a transaction of its user. */
  writeSnapshot(): void {
    const { sequence, clockUs, holds, slices } = this.accounts;
    const packed = packHolds({ holds: [...holds.values()], closed: [...slices.closed] });
    for (const row of this.#countingRows()) this.#addBalance(row);
    for (const use of sumByQuarter(this.#shares)) this.#addUsage(use);
    this.#statements.writeSnapshot.run(sequence, clockUs, packed);
    this.#shares = [];
    this.#snapshotSequence = sequence;
    if (clockUs < this.#forgetUs) return;
    this.accounts.forgetBefore(clockUs);
    this.#forgetUs = clockUs + FORGETTING_US;
  }

  /** By what the balances grow. Instances that are over count under no limit any more: their row is dropped instead. */
  *#countingRows(): Generator<BalanceRow> {
    const { calendar, clockUs } = this.accounts;
    const rows = sumByWindow(this.#shares, {
      calendar,
      windowsOf: (account) => [
        "total",
        ...this.accounts.account(account).windows.map(({ window }) => window),
      ],
    });
    for (const row of rows) {
      const fromUs = calendar.countsFrom(row.window, clockUs);
      if (row.window !== "total")
        this.#statements.dropOver.run(this.#ids.idOf(row.account), row.window, fromUs);
      if (row.startUs >= fromUs) yield row;
    }
  }

  #addBalance(row: BalanceRow): void {
    const { account, window, startUs, nanoUsd, inputTokens, outputTokens, requests } = row;
    const { cachedTokens, reasoningTokens, gpuUs } = row;
    const id = this.#ids.idOf(account);
    const sums = [BigInt(nanoUsd), inputTokens, outputTokens, requests, cachedTokens, reasoningTokens, gpuUs];
    this.#statements.addBalance.run(id, window, startUs, ...sums);
  }

  #addUsage({ account, quarterUs, model, sum }: QuarterUse): void {
    const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = sum;
    const sums = [nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs];
    this.#statements.addUsage.run(this.#ids.idOf(account), quarterUs, model, ...sums);
  }
}

type Statements = Record<"addBalance" | "addUsage" | "dropOver" | "writeSnapshot", StatementSync>;

function prepare(database: DatabaseSync): Statements {
  const summed = [
    "nano_usd",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
    "gpu_us",
  ];
  const adding = summed.map((column) => `${column} = ${column} + excluded.${column}`).join(", ");
  return {
    addBalance: database.prepare(
      `INSERT INTO balances (account, window, start_us, nano_usd, input_tokens, output_tokens, requests,
         cached_tokens, reasoning_tokens, gpu_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ${adding}`,
    ),
    addUsage: database.prepare(
      `INSERT INTO usage (account, quarter_us, model, ${summed.join(", ")}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET ${adding}`,
    ),
    dropOver: database.prepare("DELETE FROM balances WHERE account = ? AND window = ? AND start_us < ?"),
    writeSnapshot: database.prepare("UPDATE snapshot SET sequence = ?, clock_us = ?, holds = ?"),
  };
}
