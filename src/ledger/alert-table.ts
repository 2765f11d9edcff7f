import type { DatabaseSync } from "node:sqlite";
import type { LimitUnit } from "../core/budget/limits.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import type { Micros } from "../core/units.ts";

/**
 * That a `notify` threshold of a limit was reached: once in each instance of the window, and again when the limit has
 * another amount. `startUs` is an instant of the ledger's clock, as all windows are; when it was noticed and when it is
 * delivered are instants of the machine's, which the ledger's may be ahead of.
 */
export interface Alert {
  /** Rises with each alert. */
  id: number;
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  /** When the instance began; 0 for `total`. A rolling window has one alert in each of its lengths at most. */
  startUs: Micros;
  percent: number;
  /** When it was noticed. */
  atUs: Micros;
  /** The limit, and what was posted when it was noticed, in its unit: nano-USD for `usd`. */
  amount: bigint;
  posted: bigint;
  /** How often somebody tried to deliver it. */
  attempts: number;
  /** When it is to be tried; null once it was delivered or given up. */
  nextTryUs: Micros | null;
  deliveredUs: Micros | null;
}

export type NewAlert = Omit<Alert, "id" | "attempts" | "nextTryUs" | "deliveredUs">;

/** What came of an attempt to deliver an alert: `deliveredUs`, or when to try again; neither where it is given up. */
export type DeliveryAttempt = Pick<Alert, "id" | "nextTryUs" | "deliveredUs">;

/** The latest that are kept, and what waits for its delivery among as many before them. */
const KEPT = 10_000;
/** Those beyond are looked for with every so many alerts. */
const TIDIED_EVERY = 1_000;

const COLUMNS = `id, account, unit, window, start_us AS startUs, percent, at_us AS atUs, CAST(amount AS TEXT) AS amount,
  CAST(posted AS TEXT) AS posted, attempts, next_try_us AS nextTryUs, delivered_us AS deliveredUs`;

/** The latest `max` alerts, the latest first. */
export function readAlerts(database: DatabaseSync, { max }: { max: number }): Alert[] {
  return database.prepare(`SELECT ${COLUMNS} FROM alerts ORDER BY id DESC LIMIT ?`).all(max).map(toAlert);
}

/** Alerts whose time to be delivered has come, those that wait longest first; at most `max`. */
export function readAlertsDue(
  database: DatabaseSync,
  { nowUs, max }: { nowUs: Micros; max: number },
): Alert[] {
  const statement = database.prepare(
    `SELECT ${COLUMNS} FROM alerts WHERE next_try_us <= ? ORDER BY next_try_us, id LIMIT ?`,
  );
  return statement.all(nowUs, max).map(toAlert);
}

/** Counts the attempt, and keeps what came of it. */
export function recordDelivery(
  database: DatabaseSync,
  { id, nextTryUs, deliveredUs }: DeliveryAttempt,
): void {
  database
    .prepare("UPDATE alerts SET attempts = attempts + 1, next_try_us = ?, delivered_us = ? WHERE id = ?")
    .run(nextTryUs, deliveredUs, id);
}

/**
 * To be delivered at once, whatever becomes of the machine's clock. Nothing where there is one for the same threshold and
 * instance already. Alerts that are long past are dropped.
 */
export function insertAlert(database: DatabaseSync, alert: NewAlert): void {
  const { account, unit, window, startUs, percent, atUs, amount, posted } = alert;
  const { changes, lastInsertRowid: id } = database
    .prepare(
      `INSERT INTO alerts (account, unit, window, start_us, percent, at_us, amount, posted, next_try_us)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
    )
    .run(account, unit, window, startUs, percent, atUs, amount, posted);
  if (changes === 1 && Number(id) % TIDIED_EVERY === 0) dropOld(database, Number(id));
}

/** The latest of a threshold that still stands is kept, however old: nobody is told of that again while it lasts. */
function dropOld(database: DatabaseSync, last: number): void {
  database
    .prepare(
      `DELETE FROM alerts AS old
       WHERE id <= :last - :kept AND (next_try_us IS NULL OR id <= :last - 2 * :kept) AND (
         EXISTS (
           SELECT 1 FROM alerts AS later WHERE later.account = old.account AND later.unit = old.unit
             AND later.window = old.window AND later.percent = old.percent AND later.id > old.id
         ) OR NOT EXISTS (
           SELECT 1 FROM limits WHERE limits.account = old.account AND limits.unit = old.unit
             AND limits.window = old.window AND limits.amount = old.amount
         )
       )`,
    )
    .run({ last, kept: KEPT });
}

function toAlert(row: Record<string, unknown>): Alert {
  const { amount, posted } = row as { amount: string; posted: string };
  return { ...(row as unknown as Alert), amount: BigInt(amount), posted: BigInt(posted) };
}
