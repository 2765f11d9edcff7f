import type { DatabaseSync } from "node:sqlite";
import { Accounts, type BalanceRow, type LedgerState } from "../../src/core/budget/accounts.ts";
import { dayStart } from "../../src/core/budget/limits.ts";
import { readEntries } from "../../src/ledger/restore.ts";

/** What an audit makes of the file: every entry from the first, counted by the core's own code. */
export function foldAll(database: DatabaseSync): Accounts {
  const accounts = new Accounts();
  for (const entry of readEntries(database, { after: 0 })) accounts.apply(entry);
  return accounts;
}

/** State in an order that does not depend on how it came about; windows in which nothing was posted say nothing. */
export function sorted({ balances, holds, inDoubt, ...rest }: LedgerState): LedgerState {
  const posted = balances.filter(
    ({ nanoUsd, inputTokens, outputTokens, requests }) =>
      nanoUsd !== "0" || inputTokens !== 0 || outputTokens !== 0 || requests !== 0,
  );
  return {
    ...rest,
    balances: posted.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    holds: [...holds].sort((a, b) => (a.id < b.id ? -1 : 1)),
    inDoubt: [...inDoubt].sort((a, b) => (a.hold < b.hold ? -1 : 1)),
  };
}

/** All that the accounts say. */
export function stateOf(accounts: Accounts): LedgerState {
  const { sequence, clockUs, names, holds, inDoubt } = accounts;
  return {
    sequence,
    clockUs,
    balances: [...names].flatMap((name) => accounts.rowsOf(name)),
    holds: [...holds.values()],
    inDoubt: [...inDoubt.values()],
  };
}

/** The same without days before the one that the clock stands in. */
export function withoutPast(state: LedgerState): LedgerState {
  const today = dayStart(state.clockUs);
  const balances = state.balances.filter(({ window, startUs }) => window === "total" || startUs >= today);
  return { ...state, balances };
}

function keyOf({ account, window, startUs }: BalanceRow): string {
  return `${account} ${window} ${startUs}`;
}
