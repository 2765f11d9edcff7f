import { readDimensions } from "../administration/chargeback-groups.ts";
import type { AdminAsk, Page } from "../administration/ask.ts";
import { readPath, readUnit, readWindow, readZoneName, TermError } from "../administration/terms.ts";
import { unknownName } from "../config/nearest-name.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { UTC } from "../core/budget/windows.ts";

export type Query = Readonly<Record<string, string>>;

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
const OFFSET_MAX = 1_000_000_000;
const COLUMNS_DEFAULT = "tenant,project,key";
const PERIOD = ["month", "last_month", "from", "until"] as const;

export const LIST_PARAMETERS = ["account", "limit", "offset"] as const;
export const LIMIT_PARAMETERS = ["account", "unit", "window", "zone"] as const;
export const CHARGEBACK_PARAMETERS = ["account", ...PERIOD, "zone", "by", "format"] as const;

/** The parameters behind the `?`. Throws a `TermError` for one that is not read here, and for one that is given twice. */
export function readQuery(url: string, known: readonly string[]): Query {
  const query: Record<string, string> = {};
  for (const [name, value] of new URL(url, "http://localhost").searchParams) {
    if (known.length === 0)
      throw new TermError(name, `there is no parameter "${name}": nothing is read behind the ?`);
    if (!known.includes(name)) throw new TermError(name, unknownName("parameter", name, known));
    if (Object.hasOwn(query, name)) throw new TermError(name, `${name} is given twice`);
    query[name] = value;
  }
  return query;
}

/** The account that is asked about: that of the caller, if none is named. */
export function accountOf({ account }: Query, scope: string): string {
  return account === undefined ? scope : readPath(account);
}

export function pageOf({ limit, offset }: Query): Page {
  return {
    limit: limit === undefined ? PAGE_DEFAULT : whole("limit", limit, [1, PAGE_MAX]),
    offset: offset === undefined ? 0 : whole("offset", offset, [0, OFFSET_MAX]),
  };
}

function whole(param: string, text: string, [min, max]: [number, number]): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  throw new TermError(param, `${param} must be a whole number from ${min} to ${max}`);
}

/** The limit that is to be removed. */
export function removalOf(query: Query): LimitRow {
  const { account, unit, window = "total", zone } = query;
  if (account === undefined) throw new TermError("account", "name the account whose limit is to be removed");
  if (unit === undefined) throw new TermError("unit", "name the unit of the limit that is to be removed");
  return { account: readPath(account), unit: readUnit(unit), window: readWindow(window, zone), amount: null };
}

export function chargebackOf(query: Query, account: string): AdminAsk {
  const { month, from, until, zone = UTC, by = COLUMNS_DEFAULT, format = "json" } = query;
  if (format !== "json" && format !== "csv") {
    throw new TermError("format", unknownName("format", format, ["json", "csv"]));
  }
  const lastMonth = flag("last_month", query["last_month"]);
  return {
    what: "chargeback",
    account,
    zone: readZoneName(zone),
    period: { month, lastMonth, from, until },
    by: readDimensions(by),
    format,
  };
}

function flag(param: string, text = "false"): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw new TermError(param, `${param} must be true or false`);
}
