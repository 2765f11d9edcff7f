import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { BalanceRow, TrackedWindow } from "../core/budget/accounts.ts";
import { pathOf } from "../core/budget/paths.ts";
import { Calendar } from "../core/budget/calendar.ts";
import type { Known } from "../core/budget/limited-accounts.ts";
import type { Sum } from "../core/budget/limits.ts";
import { addSum, newSum, rowOf } from "../core/budget/sums.ts";
import { zoneOf } from "../core/budget/windows.ts";
import type { Micros } from "../core/units.ts";
import { subtree } from "./known-account.ts";
import { readSinceSnapshot } from "./restore.ts";
import { groupWindows, lastOfQuarter, quarterOf, sumByWindow } from "./shares.ts";
import { type SumRow, toSum } from "./sum-row.ts";
import { consistently } from "./transaction.ts";
import { readZones } from "./zone-table.ts";

/** Everything that the file says of windows: what was posted in what still counts of them, through its last entry. */
export function readKnown(
  database: DatabaseSync,
  { windows, nowUs }: { windows: readonly TrackedWindow[]; nowUs: Micros },
): Known {
  return consistently(database, () => {
    if (windows.length === 0) return { zones: [], used: [], through: lastSequence(database) };
    const { shares, sequence } = readSinceSnapshot(database);
    const zones = zonesOf(database, windows);
    const calendar = new Calendar(zones);
    const wanted = groupWindows(windows);
    const use = new WindowUse(database, { calendar, nowUs });
    const summed = [...wanted].flatMap(([account, each]) =>
      each.flatMap((window) => use.rowsOf({ account, window })),
    );
    const since = sumByWindow(shares, { calendar, windowsOf: (account) => wanted.get(account) ?? [] });
    return { zones, used: [...summed, ...since], through: sequence };
  });
}

/** The rules of every time zone that the windows are in. */
export function zonesOf(database: DatabaseSync, windows: Iterable<TrackedWindow>): Known["zones"] {
  const zones = new Set(Array.from(windows, ({ window }) => zoneOf(window)));
  return readZones(
    database,
    [...zones].filter((zone) => zone !== null),
  );
}

/**
 * What was posted in windows up to the snapshot, from `usage`.
 *
 * ```
 *    quarters of an hour   ├──────┼──────┼──────┼───
 *    what counts               ╞═════════════════▶ now
 *                          └─┬─┘
 *                 taken off: what was held and posted there
 * ```
 *
 * Days, hours and the like begin with a quarter. Where a window does not, what was held before it began and was posted
 * after it counts too: nobody knows its parts any more, and a limit that counts too much for a while is the lesser evil.
 * It never counts too little: an adjust is of the time that its hold was taken at, so the one of a post that is taken
 * off is taken off, too, whenever it came.
 */
export class WindowUse {
  readonly #database: DatabaseSync;
  readonly #calendar: Calendar;
  readonly #nowUs: Micros;
  readonly #quarters: StatementSync;
  /** By the instant that a window begins at. */
  readonly #before = new Map<Micros, Map<string, Sum>>();

  constructor(database: DatabaseSync, { calendar, nowUs }: { calendar: Calendar; nowUs: Micros }) {
    this.#database = database;
    this.#calendar = calendar;
    this.#nowUs = Math.max(nowUs, latestEntryUs(database));
    this.#quarters = database.prepare(
      `SELECT quarter_us, CAST(sum(nano_usd) AS TEXT), sum(input_tokens), sum(cached_tokens), sum(output_tokens),
         sum(reasoning_tokens), sum(requests), sum(gpu_us)
       FROM accounts CROSS JOIN usage ON usage.account = accounts.id
       WHERE ${subtree("name")} AND quarter_us >= :quarterUs GROUP BY quarter_us`,
    );
    this.#quarters.setReturnArrays(true);
  }

  /** One row for each instance, or bucket, in which something was. */
  rowsOf({ account, window }: TrackedWindow): BalanceRow[] {
    const fromUs = this.#calendar.countsFrom(window, this.#nowUs);
    const firstUs = quarterOf(fromUs);
    const sums = new Map<Micros, Sum>();
    const addTo = (quarterUs: Micros, sum: Sum): void => {
      // The latest that it may have been held at: in a rolling window it counts no shorter than it should.
      const { startUs } = this.#calendar.span(window, Math.min(lastOfQuarter(quarterUs), this.#nowUs));
      const known = sums.get(startUs) ?? newSum();
      addSum(known, sum);
      sums.set(startUs, known);
    };
    for (const row of this.#quarters.all({ account, quarterUs: firstUs })) {
      const [quarterUs, ...sum] = row as unknown as [Micros, ...SumRow];
      addTo(quarterUs, toSum(sum));
    }
    const before = fromUs === firstUs ? undefined : this.#postedBefore(fromUs).get(account);
    if (before !== undefined) addTo(firstUs, negative(before));
    return Array.from(sums, ([startUs, posted]) => {
      return rowOf({ account, window, startUs }, { posted, held: newSum() });
    });
  }

  /** What was held and posted between the beginning of the quarter and that instant, with what corrected it since; by account. */
  #postedBefore(untilUs: Micros): ReadonlyMap<string, Sum> {
    let sums = this.#before.get(untilUs);
    if (sums !== undefined) return sums;
    this.#before.set(untilUs, (sums = new Map()));
    const fromUs = quarterOf(untilUs);
    const columns = `account, nano_usd, input_tokens, cached_tokens, output_tokens, reasoning_tokens, requests,
      gpu_us`;
    const upToSnapshot = "sequence >= :first AND sequence <= (SELECT sequence FROM snapshot)";
    const statement = this.#database.prepare(
      `SELECT name, CAST(sum(nano_usd) AS TEXT), sum(input_tokens), sum(cached_tokens), sum(output_tokens),
         sum(reasoning_tokens), sum(requests), sum(gpu_us)
       FROM (
         SELECT ${columns} FROM entries
         WHERE operation = 'post' AND ${upToSnapshot} AND sequence < :end
           AND held_at_us >= :fromUs AND held_at_us < :untilUs
         UNION ALL
         SELECT ${columns} FROM entries INDEXED BY entries_adjusting
         WHERE operation = 'adjust' AND ${upToSnapshot} AND held_at_us >= :fromUs AND held_at_us < :untilUs
       ) AS before JOIN accounts ON accounts.id = before.account GROUP BY name`,
    );
    statement.setReturnArrays(true);
    const range = { first: firstEntry(this.#database, fromUs), end: firstEntry(this.#database, untilUs) };
    for (const row of statement.all({ ...range, fromUs, untilUs })) {
      const [name, ...sum] = row as unknown as [string, ...SumRow];
      for (const account of pathOf(name)) {
        const known = sums.get(account) ?? newSum();
        addSum(known, toSum(sum));
        sums.set(account, known);
      }
    }
    return sums;
  }
}

function negative({ nanoUsd, ...counts }: Sum): Sum {
  const negated = Object.entries(counts).map(([unit, count]) => [unit, -count]);
  return { nanoUsd: -nanoUsd, ...(Object.fromEntries(negated) as typeof counts) };
}

/**
 * The first entry at or after that instant, or the one after the last, found by halving. Entries of several supervisors are
 * not quite in the order of time: then it is one close by.
 */
function firstEntry(database: DatabaseSync, atUs: Micros): number {
  const next = database.prepare(
    "SELECT sequence, at_us FROM entries WHERE sequence >= ? ORDER BY sequence LIMIT 1",
  );
  let [low, high] = [0, lastSequence(database) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = next.get(middle);
    if (entry === undefined || (entry["at_us"] as number) >= atUs) high = middle;
    else low = (entry["sequence"] as number) + 1;
  }
  return low;
}

/** By the ledger's clock, which the machine's may be behind. */
function latestEntryUs(database: DatabaseSync): Micros {
  const row = database
    .prepare(
      `SELECT max(clock_us, coalesce((SELECT max(at_us) FROM entries WHERE entries.sequence > snapshot.sequence), 0)) AS atUs
       FROM snapshot`,
    )
    .get();
  return row!["atUs"] as Micros;
}

/** Of the file's last entry; 0 where there is none. */
export function lastSequence(database: DatabaseSync): number {
  return database.prepare("SELECT coalesce(max(sequence), 0) AS last FROM entries").get()!["last"] as number;
}
