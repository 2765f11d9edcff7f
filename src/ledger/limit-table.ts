import { userInfo } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import type { LimitRow, LimitUnit, Threshold } from "../core/budget/limits.ts";
import { type LimitWindow, zoneOf } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { administer } from "./audit/chain.ts";
import { checkLimit } from "./limit-check.ts";
import { keepZone } from "./zone-table.ts";

/** Limits, and the version of the last change among them. */
export interface LimitChanges {
  limits: LimitRow[];
  version: number;
}

/** What was set or removed after that version; after 0, all there are. */
export function readLimits(database: DatabaseSync, { after }: { after: number }): LimitChanges {
  const rows = database
    .prepare(
      `SELECT account, unit, window, CAST(amount AS TEXT) AS amount, thresholds, version FROM limits
       WHERE version > ? ORDER BY account, unit, window`,
    )
    .all(after);
  let version = after;
  const limits = rows.map((row): LimitRow => {
    version = Math.max(version, row["version"] as number);
    const thresholds = JSON.parse(row["thresholds"] as string) as Threshold[];
    return {
      account: row["account"] as string,
      unit: row["unit"] as LimitUnit,
      window: row["window"] as LimitWindow,
      amount: row["amount"] as string | null,
      ...(thresholds.length > 0 && { thresholds }),
    };
  });
  return { limits, version };
}

/**
 * Sets or removes a limit and keeps what it was; a running supervisor finds it. `by` is who is said to have changed it: the
 * user of this process if absent. False when there was none to remove. Throws an `InvalidLimitError` for what can't be a
 * limit, such as one in a time zone that nobody knows.
 */
export function writeLimit(
  database: DatabaseSync,
  given: LimitRow,
  { by = userInfo().username }: { by?: string } = {},
): boolean {
  const { account, unit, window, amount, thresholds = [] } = checkLimit(given);
  return administer(database, () => {
    const nowUs = Date.now() * MICROS_PER_MILLI;
    const place = [account, unit, window] as const;
    const before = database
      .prepare(
        `SELECT CAST(amount AS TEXT) AS amount, thresholds FROM limits
         WHERE account = ? AND unit = ? AND window = ?`,
      )
      .get(...place);
    const amountBefore = (before?.["amount"] ?? null) as string | null;
    if (amount === null && amountBefore === null) return false;
    const zone = zoneOf(window);
    // Whoever finds the limit has to find what its days are.
    if (zone !== null && amount !== null) keepZone(database, zone, nowUs);
    const thresholdsBefore = (before?.["thresholds"] ?? "[]") as string;
    const thresholdsAfter = JSON.stringify(amount === null ? [] : thresholds);
    const { lastInsertRowid: version } = database
      .prepare(
        `INSERT INTO limit_changes (at_us, changed_by, account, unit, window,
           amount_before, amount_after, thresholds_before, thresholds_after)
         VALUES (?, ?, ?, ?, ?, CAST(? AS INTEGER), CAST(? AS INTEGER), ?, ?)`,
      )
      .run(nowUs, by, ...place, amountBefore, amount, thresholdsBefore, thresholdsAfter);
    database
      .prepare(
        `INSERT OR REPLACE INTO limits (account, unit, window, amount, version, thresholds)
         VALUES (?, ?, ?, CAST(? AS INTEGER), ?, ?)`,
      )
      .run(...place, amount, version, thresholdsAfter);
    return true;
  });
}
