import { InvalidArgumentError } from "commander";
import {
  LIMIT_UNITS,
  LIMIT_WINDOWS,
  type LimitRow,
  type LimitUnit,
  type LimitWindow,
} from "../core/budget/limits.ts";
import { parseUsd } from "../core/budget/money.ts";

/** What a column of the ledger's file can hold. */
const AMOUNT_MAX = 2n ** 63n - 1n;
const ROOT = "global";
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A limit without its account. */
export type LimitTerms = Omit<LimitRow, "account">;

/** The name of a key or a tenant: part of an account's path. */
export function parseName(value: string): string {
  if (NAME.test(value)) return value;
  throw new InvalidArgumentError(
    "use at most 64 letters, digits and . _ -, and begin with a letter or digit",
  );
}

/** A tenant that keys can be made for: one named as the root could not be told from it in commands. */
export function parseTenant(value: string): string {
  if (value !== ROOT) return parseName(value);
  throw new InvalidArgumentError(`${ROOT} stands for all tenants together; choose another name`);
}

/** `global`, `acme` or `acme/alice`, with or without `global/` before it. */
export function parseAccount(value: string): string {
  const path = value === ROOT || value.startsWith(`${ROOT}/`) ? value : `${ROOT}/${value}`;
  const names = path.split("/");
  if (names.length <= 3 && names.every((name) => NAME.test(name))) return path;
  throw new InvalidArgumentError("write global, a tenant such as acme, or a tenant's key such as acme/alice");
}

export function parseUnit(value: string): LimitUnit {
  const unit = LIMIT_UNITS.find((known) => known === value);
  if (unit !== undefined) return unit;
  throw new InvalidArgumentError(`choose ${LIMIT_UNITS.join(", ")}`);
}

export function parseWindow(value: string): LimitWindow {
  const window = LIMIT_WINDOWS.find((known) => known === value);
  if (window !== undefined) return window;
  throw new InvalidArgumentError(`choose ${LIMIT_WINDOWS.join(" or ")}`);
}

/** As it is stored: nano-USD for `usd`, a count for the others. */
export function parseAmount(value: string, unit: LimitUnit): string {
  const amount = unit === "usd" ? parseUsd(value) : /^\d+$/.test(value) ? BigInt(value) : null;
  if (amount !== null && amount <= AMOUNT_MAX) return amount.toString();
  const wanted = unit === "usd" ? "USD as a decimal, such as 5 or 0.25" : "a whole number, such as 1000";
  throw new InvalidArgumentError(`"${value}" is no amount of ${unit}: give ${wanted}`);
}

/** `usd=5/day` or `requests=1000`, which is in total; collects what is given several times. */
export function parseLimit(value: string, earlier: LimitTerms[] = []): LimitTerms[] {
  const match = /^([a-z_]+)=([^/]+)(?:\/(\w+))?$/.exec(value);
  if (match === null)
    throw new InvalidArgumentError("write it as usd=5/day, tokens=100000/day or usd=20/total");
  const unit = parseUnit(match[1]!);
  return [
    ...earlier,
    { unit, window: parseWindow(match[3] ?? "total"), amount: parseAmount(match[2]!, unit) },
  ];
}
