import type { Remainder } from "../core/budget/shortage.ts";
import { formatAmount, type LimitUnit } from "../core/budget/limits.ts";
import { formatUsd } from "../core/budget/money.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import type { BudgetReport } from "../ledger/report.ts";
import { type ThresholdLine, thresholdLines } from "./terms.ts";

/** In the place of a window: what was used of an open slice, which `resets` by being closed. */
const SLICE = "slice";

/** What was used of one limit, or of an account that has none; amounts in the limit's unit, USD as a decimal. */
export interface BudgetLine {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  limit: string | null;
  used: string;
  held: string;
  remaining: string | null;
  /** When the window ends. A rolling one has no end. */
  resets: string | null;
  thresholds: readonly ThresholdLine[];
}

export function budgetLines({ limits, slices, unlimited }: BudgetReport): BudgetLine[] {
  const free = unlimited.map(({ account, posted, held }): BudgetLine => {
    const amounts = { limit: null, used: formatUsd(posted), held: formatUsd(held), remaining: null };
    return { account, unit: "usd", window: "total", ...amounts, resets: null, thresholds: [] };
  });
  const sliced = slices.map(({ expiresUs, ...slice }): BudgetLine => {
    return { ...lineOf(slice), window: SLICE, resets: instant(expiresUs) };
  });
  return [...limits.map(lineOf), ...sliced, ...free];
}

function lineOf({ account, limit, posted, held, remaining, resetUs }: Remainder): BudgetLine {
  const { unit, window, amount, thresholds } = limit;
  const format = (count: bigint): string => formatAmount(unit, count);
  return {
    account,
    unit,
    window,
    limit: format(amount),
    used: format(posted),
    held: format(held),
    remaining: format(remaining),
    resets: resetUs === null || window.startsWith("rolling:") ? null : instant(resetUs),
    thresholds: thresholdLines(thresholds),
  };
}

/** In UTC, as in `2026-03-29T00:00:00.000Z`. */
export function instant(atUs: Micros): string {
  return new Date(atUs / MICROS_PER_MILLI).toISOString();
}

/** An instant in UTC as clocks show it in that time zone: `2026-03-29T00:00:00+01:00`. It stays as it is without one. */
export function inZone(utc: string, zone: string | null): string {
  if (zone === null) return utc;
  const date = new Date(utc);
  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  const offset = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" })
    .formatToParts(date)
    .find(({ type }) => type === "timeZoneName")!.value;
  return `${clock.format(date).replace(" ", "T")}${offset.replace("GMT", "") || "+00:00"}`;
}
