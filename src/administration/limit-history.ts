import type { DatabaseSync } from "node:sqlite";
import { formatAmount, type LimitUnit, type Threshold } from "../core/budget/limits.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import { subtree } from "../ledger/known-account.ts";
import { instant } from "./budget-lines.ts";
import { type ThresholdLine, thresholdLines } from "./terms.ts";

/** How a limit came about. */
export interface LimitChange {
  /** In UTC. */
  at: string;
  /** A user of this machine, or an admin key. */
  by: string;
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  /** Null where there was, or is, none. */
  before: LimitState | null;
  after: LimitState | null;
}

export interface LimitState {
  /** In the limit's unit, USD as a decimal. */
  limit: string;
  thresholds: ThresholdLine[];
}

/** The latest `max` changes of limits of the account and all below it, the latest first. */
export function historyLines(
  database: DatabaseSync,
  { account, max }: { account: string; max: number },
): LimitChange[] {
  const rows = database
    .prepare(
      `SELECT at_us, changed_by, account, unit, window, CAST(amount_before AS TEXT) AS amount_before,
         CAST(amount_after AS TEXT) AS amount_after, thresholds_before, thresholds_after
       FROM limit_changes WHERE ${subtree("account")} ORDER BY version DESC LIMIT :max`,
    )
    .all({ account, max });
  return rows.map((row) => {
    const unit = row["unit"] as LimitUnit;
    return {
      at: instant(row["at_us"] as number),
      by: row["changed_by"] as string,
      account: row["account"] as string,
      unit,
      window: row["window"] as LimitWindow,
      before: stateOf(unit, row["amount_before"], row["thresholds_before"]),
      after: stateOf(unit, row["amount_after"], row["thresholds_after"]),
    };
  });
}

function stateOf(unit: LimitUnit, amount: unknown, thresholds: unknown): LimitState | null {
  if (amount === null) return null;
  const limit = formatAmount(unit, BigInt(amount as string));
  return { limit, thresholds: thresholdLines(JSON.parse(thresholds as string) as Threshold[]) };
}
