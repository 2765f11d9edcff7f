import { userInfo } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import type { LimitRow, LimitUnit, LimitWindow } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { inTransaction } from "./database.ts";

/** Limits, and the version of the last change among them. */
export interface LimitChanges {
  limits: LimitRow[];
  version: number;
}

/** What was set or removed after that version; after 0, all there are. */
export function readLimits(database: DatabaseSync, { after }: { after: number }): LimitChanges {
  const rows = database
    .prepare(
      `SELECT account, unit, window, CAST(amount AS TEXT) AS amount, version FROM limits WHERE version > ?
       ORDER BY account, unit, window`,
    )
    .all(after);
  const limits = rows.map((row) => ({
    account: row["account"] as string,
    unit: row["unit"] as LimitUnit,
    window: row["window"] as LimitWindow,
    amount: row["amount"] as string | null,
  }));
  return { limits, version: Math.max(after, ...rows.map((row) => row["version"] as number)) };
}

/** Sets or removes a limit and keeps what it was; a running supervisor finds it. False when there was none to remove. */
export function writeLimit(database: DatabaseSync, { account, unit, window, amount }: LimitRow): boolean {
  return inTransaction(database, () => {
    const place = [account, unit, window] as const;
    const before = database
      .prepare(
        "SELECT CAST(amount AS TEXT) AS amount FROM limits WHERE account = ? AND unit = ? AND window = ?",
      )
      .get(...place)?.["amount"] as string | null | undefined;
    if (amount === null && (before ?? null) === null) return false;
    const { lastInsertRowid: version } = database
      .prepare(
        `INSERT INTO limit_changes (at_us, changed_by, account, unit, window, amount_before, amount_after)
         VALUES (?, ?, ?, ?, ?, CAST(? AS INTEGER), CAST(? AS INTEGER))`,
      )
      .run(Date.now() * MICROS_PER_MILLI, userInfo().username, ...place, before ?? null, amount);
    database
      .prepare("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, CAST(? AS INTEGER), ?)")
      .run(...place, amount, version);
    return true;
  });
}
