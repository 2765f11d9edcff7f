import type { DatabaseSync } from "node:sqlite";
import type { BalanceRow, TrackedWindow } from "../core/budget/accounts.ts";
import { Calendar, type ZoneRules } from "../core/budget/calendar.ts";
import { type LimitWindow, zoneOf } from "../core/budget/windows.ts";
import type { Micros } from "../core/units.ts";
import { AccountIds } from "./account-ids.ts";
import { administer } from "./audit/chain.ts";
import { WindowUse, zonesOf } from "./window-use.ts";
import { keepZone } from "./zone-table.ts";

/** Windows that are tracked from now on, and what was posted in them up to the snapshot. */
export interface NewlyTracked {
  windows: TrackedWindow[];
  rows: BalanceRow[];
  zones: readonly ZoneRules[];
}

/**
 * Starts to count every window that a limit was set for after that version and that is not counted yet: its balance up to
 * the snapshot is added up from `usage`, and what comes after it is counted on as in all others. Within a transaction,
 * of whoever owns the file.
 */
export function trackLimits(
  database: DatabaseSync,
  { after, nowUs }: { after: number; nowUs: Micros },
): NewlyTracked {
  const windows = database
    .prepare(
      `SELECT DISTINCT account, window FROM limits
       WHERE version > ? AND amount IS NOT NULL AND window <> 'total'
         AND NOT EXISTS (SELECT 1 FROM tracked WHERE tracked.window = limits.window AND tracked.account = limits.account)`,
    )
    .all(after)
    .map((row) => ({ ...row })) as unknown as TrackedWindow[];
  if (windows.length === 0) return { windows, rows: [], zones: [] };
  const zones = zonesOf(database, windows);
  const calendar = new Calendar(zones);
  const use = new WindowUse(database, { calendar, nowUs });
  const rows = windows.flatMap((window) => use.rowsOf(window));
  const insert = database.prepare("INSERT INTO tracked (window, account) VALUES (?, ?)");
  for (const { account, window } of windows) insert.run(window, account);
  writeBase(database, rows);
  return { windows, rows, zones };
}

/**
 * Puts the windows in order that are counted, before anything is appended: those that no limit is set for any more are
 * left, those that one was set for meanwhile are begun, and what is known of their time zones is made to last.
 */
export function tidyTracking(database: DatabaseSync, nowUs: Micros): void {
  const isLimited = `SELECT 1 FROM limits WHERE limits.account = tracked.account
    AND limits.window = tracked.window AND amount IS NOT NULL`;
  database.exec(
    `DELETE FROM balances WHERE (account, window) IN (
       SELECT id, window FROM tracked JOIN accounts ON name = tracked.account WHERE NOT EXISTS (${isLimited})
     );
     DELETE FROM tracked WHERE NOT EXISTS (${isLimited})`,
  );
  const limited = database.prepare("SELECT DISTINCT window FROM limits WHERE amount IS NOT NULL").all();
  administer(database, () => {
    for (const { window } of limited) {
      const zone = zoneOf(window as LimitWindow);
      if (zone !== null) keepZone(database, zone, nowUs);
    }
  });
  trackLimits(database, { after: 0, nowUs });
}

/** In place of what an earlier version may have left there. */
function writeBase(database: DatabaseSync, rows: readonly BalanceRow[]): void {
  const ids = new AccountIds(database);
  const write = database.prepare(
    `INSERT OR REPLACE INTO balances (account, window, start_us, nano_usd, input_tokens, output_tokens, requests,
       cached_tokens, reasoning_tokens, gpu_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const { account, window, startUs, nanoUsd, inputTokens, outputTokens, requests, ...parts } of rows) {
    const sums = [
      BigInt(nanoUsd),
      inputTokens,
      outputTokens,
      requests,
      parts.cachedTokens,
      parts.reasoningTokens,
      parts.gpuUs,
    ];
    write.run(ids.idOf(account), window, startUs, ...sums);
  }
}
