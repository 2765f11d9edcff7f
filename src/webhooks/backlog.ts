import type { DatabaseSync } from "node:sqlite";
import { type Micros, seconds } from "../core/units.ts";
import { type Alert, readAlertsDue, recordDelivery } from "../ledger/alert-table.ts";
import { inTransaction } from "../ledger/transaction.ts";

/** An alert that nobody took for so long is given up. */
const PATIENCE_US = seconds(86_400);
/** Alerts that wait; the oldest are given up beyond it. */
const WAITING_MAX = 10_000;
/** Alerts in one round. */
const ROUND_MAX = 16;
/** Longer than a round takes. Alerts of a process that died in one are due again after it. */
const CLAIM_US = seconds(300);

/**
 * Alerts whose time has come. They are nobody else's until they are settled or released, though several processes may
 * look at the same file.
 */
export function claimDue(database: DatabaseSync, nowUs: Micros): Alert[] {
  const look = { nowUs, max: ROUND_MAX };
  // Most of the time there is nothing, and nobody has to wait for a lock.
  if (readAlertsDue(database, look).length === 0) return [];
  return inTransaction(database, () => {
    const due = readAlertsDue(database, look);
    for (const { id } of due) setNextTry(database, id, nowUs + CLAIM_US);
    return due;
  });
}

/** As if they had not been claimed. */
export function release(database: DatabaseSync, alerts: readonly Alert[]): void {
  inTransaction(database, () => {
    for (const { id, nextTryUs } of alerts) setNextTry(database, id, nextTryUs);
  });
}

/** Keeps that all have it, or when to try again: never, when that would be too late. Returns that time. */
export function settle(
  database: DatabaseSync,
  { id, atUs }: Alert,
  { isTaken, nowUs, nextUs }: { isTaken: boolean; nowUs: Micros; nextUs: Micros },
): Micros | null {
  const nextTryUs = isTaken || nextUs > atUs + PATIENCE_US ? null : nextUs;
  recordDelivery(database, { id, nextTryUs, deliveredUs: isTaken ? nowUs : null });
  return nextTryUs;
}

/** Gives up what has waited too long, as when no webhook was configured, and the oldest of too many. How many that were. */
export function giveUpOld(database: DatabaseSync, nowUs: Micros): number {
  const { waiting, oldestUs } = database
    .prepare("SELECT count(*) AS waiting, min(at_us) AS oldestUs FROM alerts WHERE next_try_us IS NOT NULL")
    .get() as { waiting: number; oldestUs: Micros | null };
  // Most of the time there are few, and nobody has to wait for a lock.
  if (waiting <= WAITING_MAX && (oldestUs ?? nowUs) >= nowUs - PATIENCE_US) return 0;
  const { changes } = database
    .prepare(
      `UPDATE alerts SET next_try_us = NULL WHERE next_try_us IS NOT NULL AND (at_us < ? OR id IN (
         SELECT id FROM alerts WHERE next_try_us IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ?))`,
    )
    .run(nowUs - PATIENCE_US, WAITING_MAX);
  return Number(changes);
}

function setNextTry(database: DatabaseSync, id: number, nextTryUs: Micros | null): void {
  database.prepare("UPDATE alerts SET next_try_us = ? WHERE id = ?").run(nextTryUs, id);
}
