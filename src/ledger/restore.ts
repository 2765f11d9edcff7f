import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  Accounts,
  type BalanceRow,
  type DoubtfulPost,
  IN_DOUBT_MAX,
  type LedgerState,
  type OnPosted,
  type TrackedWindow,
} from "../core/budget/accounts.ts";
import { Calendar, type ZoneRules } from "../core/budget/calendar.ts";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import { addSum, newSum, rowOf, sumOf } from "../core/budget/sums.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import type { Micros } from "../core/units.ts";
import { type EntryRow, toEntry } from "./entry-fields.ts";
import { groupWindows, type Share, sumByWindow } from "./shares.ts";
import type { SumRow } from "./sum-row.ts";
import { type SnapshotHolds, unpackHolds } from "./snapshot-holds.ts";
import { consistently } from "./transaction.ts";
import { readZones } from "./zone-table.ts";

const ENTRY_COLUMNS = `sequence, at_us, operation, hold, name, nano_usd, input_tokens, output_tokens, requests,
  held_at_us, in_doubt, overage, model, cached_tokens, reasoning_tokens, gpu_us, parts`;
const WITH_ACCOUNT = "JOIN accounts ON accounts.id = entries.account";
const BALANCE_COLUMNS = `name, balances.window, start_us, CAST(nano_usd AS TEXT), input_tokens, cached_tokens,
  output_tokens, reasoning_tokens, requests, gpu_us`;

/** What the file adds up to now. What windows were before the snapshot and are no more stands in `usage` only. */
export function readState(database: DatabaseSync): LedgerState {
  return consistently(database, () => {
    const snapshot = readSnapshotState(database);
    const { shares, ...now } = readSince(database, snapshot);
    return { ...snapshot, ...now, balances: withShares(snapshot, shares) };
  });
}

/** The accounts as of the snapshot. */
export function readSnapshot(database: DatabaseSync, onPosted: OnPosted | null = null): Accounts {
  return new Accounts(readSnapshotState(database), onPosted);
}

/** What was posted since the snapshot, and the last entry of all. */
export function readSinceSnapshot(database: DatabaseSync): { shares: Share[]; sequence: number } {
  return readSince(database, readSnapshotRow(database));
}

function readSnapshotState(database: DatabaseSync): LedgerState & SnapshotHolds {
  const snapshot = readSnapshotRow(database);
  const zones = readZones(database);
  const tracked = database
    .prepare("SELECT account, window FROM tracked")
    .all()
    .map((row) => ({ ...row }));
  const balances = readBalances(database, { zones, clockUs: snapshot.clockUs });
  return { ...snapshot, zones, tracked: tracked as unknown as TrackedWindow[], balances };
}

/** Counts the entries since the snapshot, without the balances before it: those may be many. */
function readSince(
  database: DatabaseSync,
  { sequence, clockUs, holds, inDoubt, closed }: SnapshotRow,
): SnapshotRow & { shares: Share[] } {
  const shares: Share[] = [];
  const start = { sequence, clockUs, holds, inDoubt, closed, zones: [], tracked: [], balances: [] };
  const accounts = new Accounts(start, collect(shares));
  for (const entry of readEntries(database, { after: sequence })) accounts.apply(entry);
  return {
    shares,
    sequence: accounts.sequence,
    clockUs: accounts.clockUs,
    holds: [...accounts.holds.values()],
    inDoubt: [...accounts.inDoubt.values()],
    closed: [...accounts.slices.closed],
  };
}

/** The balances of a snapshot, and what was posted since. */
function withShares({ zones, tracked, balances }: LedgerState, shares: readonly Share[]): BalanceRow[] {
  if (shares.length === 0) return balances;
  const windows = groupWindows(tracked);
  const since = sumByWindow(shares, {
    calendar: new Calendar(zones),
    windowsOf: (account) => ["total", ...(windows.get(account) ?? [])],
  });
  const grown = new Map(since.map((row) => [placeOf(row), row]));
  const both = balances.map((row) => {
    const place = placeOf(row);
    const more = grown.get(place);
    if (more === undefined) return row;
    grown.delete(place);
    const posted = sumOf(row);
    addSum(posted, sumOf(more));
    return rowOf(row, { posted, held: newSum() });
  });
  return [...both, ...grown.values()];
}

/** For `Accounts`: adds what is posted to the list. */
export function collect(shares: Share[]): OnPosted {
  return ({ account, model }, atUs, charge) => void shares.push({ account, model, atUs, charge });
}

/** Every entry in order. */
export function* readEntries(database: DatabaseSync, after: { after: number }): Generator<LedgerEntry> {
  for (const row of readEntryRows(database, after)) yield toEntry(row);
}

/** The same as they are stored, as an audit reads them. */
export function readEntryRows(database: DatabaseSync, { after }: { after: number }): Iterable<EntryRow> {
  return prepareEntryRows(database).iterate(after, Number.MAX_SAFE_INTEGER) as unknown as Iterable<EntryRow>;
}

/** Takes the sequence to begin after and the one to end with; its rows are `EntryRow`s. */
export function prepareEntryRows(database: DatabaseSync): StatementSync {
  const statement = database.prepare(
    `SELECT ${ENTRY_COLUMNS} FROM entries ${WITH_ACCOUNT} WHERE sequence > ? AND sequence <= ? ORDER BY sequence`,
  );
  statement.setReturnArrays(true);
  return statement;
}

function placeOf({ account, window, startUs }: BalanceRow): string {
  return `${startUs} ${window} ${account}`;
}

type SnapshotRow = Pick<LedgerState, "sequence" | "clockUs" | "inDoubt"> & SnapshotHolds;

function readSnapshotRow(database: DatabaseSync): SnapshotRow {
  const row = database.prepare("SELECT sequence, clock_us, holds FROM snapshot").get()!;
  const sequence = row["sequence"] as number;
  return {
    sequence,
    clockUs: row["clock_us"] as number,
    ...unpackHolds(row["holds"] as string),
    inDoubt: readDoubtful(database, sequence),
  };
}

function readBalances(
  database: DatabaseSync,
  { zones, clockUs }: { zones: ZoneRules[]; clockUs: Micros },
): BalanceRow[] {
  const calendar = new Calendar(zones);
  const totals = database.prepare(
    `SELECT ${BALANCE_COLUMNS} FROM accounts CROSS JOIN balances ON balances.account = accounts.id
     WHERE balances.window = 'total'`,
  );
  const counting = database.prepare(
    `SELECT ${BALANCE_COLUMNS} FROM tracked CROSS JOIN accounts ON accounts.name = tracked.account
     CROSS JOIN balances ON balances.account = accounts.id AND balances.window = tracked.window
     WHERE tracked.window = ? AND start_us >= ?`,
  );
  for (const statement of [totals, counting]) statement.setReturnArrays(true);
  const windows = database.prepare("SELECT DISTINCT window FROM tracked").all() as { window: LimitWindow }[];
  const rows = [
    totals.all(),
    ...windows.map(({ window }) => counting.all(window, calendar.countsFrom(window, clockUs))),
  ];
  return rows.flat().map((row) => toBalance(row as unknown as BalanceFields));
}

type BalanceFields = [account: string, window: LimitWindow, startUs: Micros, ...sum: SumRow];

function toBalance([
  account,
  window,
  startUs,
  nanoUsd,
  inputTokens,
  cachedTokens,
  ...rest
]: BalanceFields): BalanceRow {
  const [outputTokens, reasoningTokens, requests, gpuUs] = rest;
  return {
    account,
    window,
    startUs,
    nanoUsd,
    inputTokens,
    cachedTokens,
    outputTokens,
    reasoningTokens,
    requests,
    gpuUs,
  };
}

/**
 * Posts in doubt up to that sequence that no adjust up to it has corrected: as many of the latest as
 * are remembered while running. Found by their index, however many entries there are.
 */
function readDoubtful(database: DatabaseSync, through: number): DoubtfulPost[] {
  const statement = database.prepare(
    `SELECT ${ENTRY_COLUMNS} FROM entries INDEXED BY entries_in_doubt ${WITH_ACCOUNT}
     WHERE in_doubt = 1 AND sequence <= :through AND NOT EXISTS (
       SELECT 1 FROM entries AS later
       WHERE later.operation = 'adjust' AND later.hold = entries.hold AND later.sequence <= :through
     ) ORDER BY sequence DESC LIMIT ${IN_DOUBT_MAX}`,
  );
  statement.setReturnArrays(true);
  const latestFirst = statement.all({ through }) as unknown as EntryRow[];
  return latestFirst.toReversed().map((row) => {
    const { hold, account, model, heldAtUs, charge, parts } = toEntry(row);
    return { hold, account, model, heldAtUs, charge, parts };
  });
}
