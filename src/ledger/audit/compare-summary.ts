import type { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { type Accounts, type DoubtfulPost, type Hold, IN_DOUBT_MAX } from "../../core/budget/accounts.ts";
import type { Sum } from "../../core/budget/limits.ts";
import { newBalance } from "../../core/budget/sums.ts";
import { type LimitWindow, parseWindow } from "../../core/budget/windows.ts";
import { readSnapshot } from "../restore.ts";
import { AuditError, guarded } from "./problem.ts";
import type { Replay } from "./replay.ts";

/** What was compared. */
export interface SummaryCounts {
  accounts: number;
  windows: number;
  holds: number;
  usage: number;
}

/** Compares what the file says that its entries add up to with what they do, as of the snapshot; throws an `AuditError`. */
export function compareSummary(database: DatabaseSync, replay: Replay): SummaryCounts {
  const found = guarded("balances", null, () => readSnapshot(database));
  const expected = replay.accounts;
  if (found.clockUs !== expected.clockUs) fail("snapshot", "the clock", expected.clockUs, found.clockUs);
  const odd = database
    .prepare("SELECT start_us FROM balances WHERE window = 'total' AND start_us <> 0")
    .get();
  if (odd !== undefined) fail("balances", "where a total begins", 0, odd["start_us"] as number);
  compareKeyed("open holds", expected.holds, found.holds);
  compareKeyed("posts in doubt", latest(expected.inDoubt), found.inDoubt);
  compareClosed(expected, found);
  const names = new Set([...expected.names, ...found.names]);
  let windows = 0;
  for (const name of names) windows += compareAccount(name, expected, found);
  const usage = compareUsage(database, replay);
  return { accounts: names.size, windows, holds: expected.holds.size, usage };
}

function compareKeyed<T extends Hold | DoubtfulPost>(
  what: string,
  expected: ReadonlyMap<string, T>,
  found: ReadonlyMap<string, T>,
): void {
  for (const [id, one] of expected) {
    const other = found.get(id);
    if (!isDeepStrictEqual(one, other)) fail(what, id, JSON.stringify(one), JSON.stringify(other ?? null));
  }
  for (const [id, other] of found) {
    if (!expected.has(id)) fail(what, id, "none", JSON.stringify(other));
  }
}

/** As many of the latest as a supervisor remembers. */
function latest<T>(all: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return all.size <= IN_DOUBT_MAX ? all : new Map([...all].slice(-IN_DOUBT_MAX));
}

function compareClosed(expected: Accounts, found: Accounts): void {
  const [all, written] = [expected, found].map(({ slices }) => [...slices.closed].join(" "));
  if (all !== written) fail("closed slices", "which slices were closed", all!, written!);
}

/** How many windows there were. */
function compareAccount(name: string, expected: Accounts, found: Accounts): number {
  const account = expected.account(name);
  const windows: LimitWindow[] = ["total", ...account.windows.map(({ window }) => window)];
  for (const window of windows) {
    const { posted: sum } = expected.balance(name, window, expected.clockUs);
    const { posted: other } = found.isTracked({ account: name, window })
      ? found.balance(name, window, expected.clockUs)
      : newBalance();
    const isRight = isExact(window) ? isDeepStrictEqual(sum, other) : isAtLeast(other, sum);
    if (!isRight) fail("balances", `${name} (${window})`, describe(sum), describe(other));
  }
  return windows.length;
}

/**
 * Windows shorter than a quarter of an hour, and those that roll, begin with what is known by quarters: for a while they
 * count more than was used in them, never less.
 */
function isExact(window: LimitWindow): boolean {
  const spec = parseWindow(window);
  return spec?.kind !== "rolling" && !(spec?.kind === "calendar" && spec.unit === "minute");
}

function isAtLeast(sum: Sum, least: Sum): boolean {
  return (
    sum.nanoUsd >= least.nanoUsd &&
    sum.requests >= least.requests &&
    sum.gpuUs >= least.gpuUs &&
    sum.inputTokens >= least.inputTokens &&
    sum.outputTokens >= least.outputTokens
  );
}

function compareUsage(database: DatabaseSync, replay: Replay): number {
  replay.flush();
  const columns = `quarter_us, model, nano_usd, input_tokens, cached_tokens, output_tokens, reasoning_tokens, requests, gpu_us`;
  const stored = `SELECT accounts.name, ${columns} FROM usage JOIN accounts ON accounts.id = usage.account`;
  const replayed = `SELECT account, ${columns} FROM replayed`;
  return guarded("usage", null, () => {
    const first = (sql: string): string | null => {
      const statement = database.prepare(`SELECT json_array(name, ${columns}) AS row FROM (${sql}) LIMIT 1`);
      return (statement.get()?.["row"] as string | undefined) ?? null;
    };
    const named = `SELECT account AS name, ${columns} FROM replayed`;
    const expected = first(`${named} EXCEPT ${stored}`);
    const found = first(`${stored} EXCEPT ${replayed}`);
    if (expected !== null || found !== null)
      fail("usage", "what was used in a quarter of an hour", expected, found);
    const { rows, known } = database
      .prepare(`SELECT (SELECT count(*) FROM usage) AS rows, (SELECT count(*) FROM replayed) AS known`)
      .get()! as { rows: number; known: number };
    if (rows !== known) fail("usage", "rows", known, rows);
    return rows;
  });
}

function describe(sum: Sum): string {
  return JSON.stringify({ ...sum, nanoUsd: sum.nanoUsd.toString() });
}

function fail(
  check: string,
  what: string,
  expected: string | number | null,
  found: string | number | null,
): never {
  throw new AuditError(check, `${what} is not what the entries add up to`, {
    expected: String(expected ?? "none"),
    found: String(found ?? "none"),
  });
}
