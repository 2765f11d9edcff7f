import type { DatabaseSync } from "node:sqlite";
import { Accounts, type BalanceRow, EMPTY_LEDGER, type LedgerState } from "../../src/core/budget/accounts.ts";
import { Calendar } from "../../src/core/budget/calendar.ts";
import { readEntries } from "../../src/ledger/restore.ts";
import type { Share } from "../../src/ledger/shares.ts";
import { readZones } from "../../src/ledger/zone-table.ts";

/**
 * What an audit makes of the file: every entry from the first, counted by the core's own code, with the windows that are
 * tracked now counted from the beginning. What was posted is added to `shares`.
 */
export function foldAll(
  database: DatabaseSync,
  { tracked, shares = [] }: { tracked: LedgerState["tracked"]; shares?: Share[] },
): Accounts {
  const accounts = new Accounts(
    { ...EMPTY_LEDGER, zones: readZones(database), tracked },
    ({ account, model }, atUs, charge) => void shares.push({ account, model, atUs, charge }),
  );
  for (const entry of readEntries(database, { after: 0 })) accounts.apply(entry);
  return accounts;
}

/** State in an order that does not depend on how it came about; windows in which nothing was posted say nothing. */
export function sorted({ balances, holds, inDoubt, tracked, ...rest }: LedgerState): LedgerState {
  return {
    ...rest,
    tracked: [...tracked].sort((a, b) => compare(`${a.account} ${a.window}`, `${b.account} ${b.window}`)),
    balances: balances.filter(isAnything).sort((a, b) => compare(keyOf(a), keyOf(b))),
    holds: [...holds].sort((a, b) => compare(a.id, b.id)),
    inDoubt: [...inDoubt].sort((a, b) => compare(a.hold, b.hold)),
  };
}

/** The same without what counts no more. */
export function withoutPast(state: LedgerState): LedgerState {
  const calendar = new Calendar(state.zones);
  const balances = state.balances.filter(({ window, startUs }) => {
    return startUs >= calendar.countsFrom(window, state.clockUs);
  });
  return { ...state, balances };
}

function isAnything({
  account: _account,
  window: _window,
  startUs: _startUs,
  nanoUsd,
  ...counts
}: BalanceRow): boolean {
  return nanoUsd !== "0" || Object.values(counts).some((count) => count !== 0);
}

function keyOf({ account, window, startUs }: BalanceRow): string {
  return `${account} ${window} ${startUs}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
