import type { DatabaseSync } from "node:sqlite";
import { pathOf } from "../core/budget/paths.ts";
import { Calendar } from "../core/budget/calendar.ts";
import type { Sum } from "../core/budget/limits.ts";
import { addSum, isZero, newSum } from "../core/budget/sums.ts";
import { UTC } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { subtree } from "./known-account.ts";
import { readSinceSnapshot } from "./restore.ts";
import { type QuarterUse, quarterOf, type Share, sumByQuarter } from "./shares.ts";
import { type SumRow, toSum } from "./sum-row.ts";
import { consistently } from "./transaction.ts";
import { rulesOf } from "./zone-table.ts";
import { localDate } from "./zones.ts";

/** What is asked for: what an account and all below it used of what was held in `[fromUs, untilUs)`. */
export interface UsageQuery {
  account: string;
  /** Both are taken down to a quarter of an hour in UTC, which begin days in every time zone. */
  fromUs: Micros;
  untilUs: Micros;
  by: UsageGrouping;
}

/** What is told apart. */
export interface UsageGrouping {
  /**
   * Accounts down to so many names, what is deeper counts for them: 2 are tenants (`global/acme`), Infinity every account
   * that spent. Null: accounts are not told apart.
   */
  depth: number | null;
  model: boolean;
  /** Days in that time zone, such as `UTC` or `Europe/Berlin`; null: days are not told apart. */
  daysIn: string | null;
}

/** One group; null where accounts, models or days are not told apart. */
export interface UsageRow extends Sum {
  account: string | null;
  /** Empty for what was spent before models were kept. */
  model: string | null;
  /** As in `2026-03-29`. */
  day: string | null;
}

/**
 * What was used, by account, model and day, in that order; groups in which nothing was are left out. It includes what no
 * snapshot has summed up yet. Throws when the time zone is not known.
 */
export function readUsage(database: DatabaseSync, query: UsageQuery): UsageRow[] {
  return consistently(database, () => {
    const groups = new Groups(database, query.by);
    for (const use of readSummed(database, query)) groups.add(use);
    for (const use of sumByQuarter(sharesSince(database, query))) groups.add(use);
    return groups.rows;
  });
}

/** Groups as they come about. */
class Groups {
  readonly #by: UsageGrouping;
  readonly #dayOf: (quarterUs: Micros) => string | null;
  readonly #groups = new Map<string, UsageRow>();

  constructor(database: DatabaseSync, by: UsageGrouping) {
    this.#by = by;
    this.#dayOf = by.daysIn === null ? () => null : dayNames(database, by.daysIn);
  }

  add({ account, model, quarterUs, sum }: QuarterUse): void {
    const { depth } = this.#by;
    const group = {
      account: depth === null ? null : account.split("/").slice(0, depth).join("/"),
      model: this.#by.model ? model : null,
      day: this.#dayOf(quarterUs),
    };
    const place = JSON.stringify(Object.values(group));
    let row = this.#groups.get(place);
    if (row === undefined) this.#groups.set(place, (row = { ...group, ...newSum() }));
    addSum(row, sum);
  }

  /** An adjust may take back all that was posted. */
  get rows(): UsageRow[] {
    return [...this.#groups]
      .filter(([, row]) => !isZero(row))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, row]) => row);
  }
}

function* readSummed(
  database: DatabaseSync,
  { account, fromUs, untilUs }: UsageQuery,
): Generator<QuarterUse> {
  const statement = database.prepare(
    `SELECT name, model, quarter_us, CAST(nano_usd AS TEXT), input_tokens, cached_tokens, output_tokens,
       reasoning_tokens, requests, gpu_us
     FROM accounts CROSS JOIN usage ON usage.account = accounts.id
     WHERE ${subtree("name")} AND quarter_us >= :fromUs AND quarter_us < :untilUs`,
  );
  statement.setReturnArrays(true);
  const range = { account, fromUs: quarterOf(fromUs), untilUs: quarterOf(untilUs) };
  for (const row of statement.iterate(range)) {
    const [name, model, quarterUs, ...sum] = row as unknown as [string, string, Micros, ...SumRow];
    yield { account: name, model, quarterUs, sum: toSum(sum) };
  }
}

function sharesSince(database: DatabaseSync, { account, fromUs, untilUs }: UsageQuery): Share[] {
  return readSinceSnapshot(database).shares.filter(
    (share) =>
      pathOf(share.account).includes(account) &&
      quarterOf(fromUs) <= share.atUs &&
      share.atUs < quarterOf(untilUs),
  );
}

/** The local date of a quarter of an hour. */
function dayNames(database: DatabaseSync, zone: string): (quarterUs: Micros) => string {
  const rules = rulesOf(database, zone, Date.now() * MICROS_PER_MILLI);
  const calendar = new Calendar([rules]);
  const window = zone === UTC ? "day" : `day@${zone}`;
  const names = new Map<Micros, string>();
  return (quarterUs) => {
    const { startUs } = calendar.span(window, quarterUs);
    let name = names.get(startUs);
    if (name === undefined) names.set(startUs, (name = localDate(rules, startUs)));
    return name;
  };
}
