import type { DatabaseSync } from "node:sqlite";
import { formatAmount, type LimitUnit } from "../core/budget/limits.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import { isWithin } from "../keys/account-path.ts";
import { type Alert, readAlerts } from "../ledger/alert-table.ts";
import { instant } from "./budget-lines.ts";

/** As far as anybody looks back. */
const LOOKED_THROUGH_MAX = 10_000;

/** An alert as it is shown and sent: amounts in the limit's unit, USD as a decimal, and instants in UTC. */
export interface AlertLine {
  id: number;
  at: string;
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  /** When the instance of the window began; null for `total`. */
  window_start: string | null;
  percent: number;
  limit: string;
  posted: string;
  /** Whether webhooks have it: it waits for them as long as there are none. */
  delivery: "delivered" | "waiting" | "given up";
  attempts: number;
}

/** The latest alerts of the account and all below it, the latest first. */
export function alertLines(
  database: DatabaseSync,
  { account, max }: { account: string; max: number },
): AlertLine[] {
  const alerts = readAlerts(database, { max: LOOKED_THROUGH_MAX });
  return alerts
    .filter((alert) => isWithin(alert.account, account))
    .slice(0, max)
    .map(alertLine);
}

export function alertLine(alert: Alert): AlertLine {
  const { id, atUs, account, unit, window, startUs, percent, amount, posted, attempts } = alert;
  return {
    id,
    at: instant(atUs),
    account,
    unit,
    window,
    window_start: window === "total" ? null : instant(startUs),
    percent,
    limit: formatAmount(unit, amount),
    posted: formatAmount(unit, posted),
    delivery: deliveryOf(alert),
    attempts,
  };
}

function deliveryOf({ deliveredUs, nextTryUs }: Alert): AlertLine["delivery"] {
  if (deliveredUs !== null) return "delivered";
  return nextTryUs === null ? "given up" : "waiting";
}
