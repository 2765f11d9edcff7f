import type { DatabaseSync } from "node:sqlite";
import {
  Accounts,
  type BalanceRow,
  type DoubtfulPost,
  type Hold,
  IN_DOUBT_MAX,
  type LedgerState,
} from "../core/budget/accounts.ts";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import { dayStart } from "../core/budget/limits.ts";
import { consistently } from "./database.ts";
import { type EntryRow, toEntry } from "./entry-fields.ts";

const ENTRY_COLUMNS = `sequence, at_us, operation, hold, name, nano_usd, input_tokens, output_tokens, requests,
  held_at_us, in_doubt, overage`;
const WITH_ACCOUNT = "JOIN accounts ON accounts.id = entries.account";

/** What the file adds up to now. Days that are over stand in the file only. */
export function readState(database: DatabaseSync): LedgerState {
  return consistently(database, () => restore(database, { balances: readBalances(database) }).state);
}

/** What has been added since the snapshot, on open holds of that time: what the next snapshot has to add to it. */
export function readSinceSnapshot(database: DatabaseSync): Accounts {
  return consistently(database, () => restore(database, { balances: [] }));
}

/** Every entry in order, as an audit reads them. */
export function* readEntries(database: DatabaseSync, { after }: { after: number }): Generator<LedgerEntry> {
  const statement = database.prepare(
    `SELECT ${ENTRY_COLUMNS} FROM entries ${WITH_ACCOUNT} WHERE sequence > ? ORDER BY sequence`,
  );
  statement.setReturnArrays(true);
  for (const row of statement.iterate(after)) yield toEntry(row as unknown as EntryRow);
}

/** The snapshot, and the entries after it counted in. */
function restore(database: DatabaseSync, { balances }: { balances: BalanceRow[] }): Accounts {
  const { sequence, clockUs, holds } = readSnapshot(database);
  const inDoubt = readDoubtful(database, sequence);
  const accounts = new Accounts({ sequence, clockUs, balances, holds, inDoubt });
  for (const entry of readEntries(database, { after: sequence })) accounts.apply(entry);
  return accounts;
}

function readSnapshot(database: DatabaseSync): Pick<LedgerState, "sequence" | "clockUs" | "holds"> {
  const row = database.prepare("SELECT sequence, clock_us, holds FROM snapshot").get()!;
  return {
    sequence: row["sequence"] as number,
    clockUs: row["clock_us"] as number,
    holds: JSON.parse(row["holds"] as string) as Hold[],
  };
}

function readBalances(database: DatabaseSync): BalanceRow[] {
  const { clockUs } = readSnapshot(database);
  return database
    .prepare(
      `SELECT name AS account, window, start_us AS startUs, CAST(nano_usd AS TEXT) AS nanoUsd,
         input_tokens AS inputTokens, output_tokens AS outputTokens, requests
       FROM balances JOIN accounts ON accounts.id = balances.account
       WHERE window = 'total' OR start_us >= ?`,
    )
    .all(dayStart(clockUs)) as unknown as BalanceRow[];
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
    const { hold, account, heldAtUs, charge } = toEntry(row);
    return { hold, account, heldAtUs, charge };
  });
}
