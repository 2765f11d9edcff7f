import { InvalidArgumentError } from "commander";
import type { LimitUnit, Threshold } from "../core/budget/limits.ts";
import {
  type LimitTerms,
  readAmount,
  readName,
  readPath,
  readRole,
  readThresholds,
  readUnit,
  readWindow,
  readZoneName,
  TermError,
} from "../administration/terms.ts";
import { ROOT } from "../keys/account-path.ts";
import type { KeyRole } from "../keys/key-table.ts";

/** Parsers for what commands on accounts, keys and limits are given; commander prefixes a message with the argument. */

export const parseName = argument(readName);
export const parseAccount = argument(readPath);
export const parseUnit: (value: string) => LimitUnit = argument(readUnit);
export const parseRole: (value: string) => KeyRole = argument(readRole);
export const parseZone = argument(readZoneName);

/** A tenant that keys can be made for: one named as the root could not be told from it in commands. */
export function parseTenant(value: string): string {
  if (value !== ROOT) return parseName(value);
  throw new InvalidArgumentError(
    `${ROOT} stands for all tenants together; choose another name, or give --account ${ROOT} for a key of the root`,
  );
}

/** `usd=5/day`, `usd=500/month@Europe/Berlin`, or `requests=1000`, which is in total; collects what is given several times. */
export function parseLimit(value: string, earlier: LimitTerms[] = []): LimitTerms[] {
  const match = /^([a-z_]+)=([^/]+)(?:\/(.+))?$/.exec(value);
  if (match === null) {
    throw new InvalidArgumentError(
      "write it as usd=5/day, tokens=100000/month@Europe/Berlin or usd=20/total",
    );
  }
  return argument(() => {
    const unit = readUnit(match[1]!);
    const amount = readAmount(match[2]!, unit);
    return [...earlier, { unit, window: readWindow(match[3] ?? "total"), amount, thresholds: [] }];
  })(value);
}

/** Collects percentages that are given several times. */
export function parsePercents(value: string, earlier: number[] = []): number[] {
  return [...earlier, parsePercent(value)];
}

/** `80`, or `80%`. */
export function parsePercent(value: string): number {
  const match = /^(\d{1,4})\s*%?$/.exec(value);
  if (match !== null) return Number(match[1]);
  throw new InvalidArgumentError("give a percentage as a whole number, such as 80");
}

/** From so many percent on, only that band and more urgent ones. */
export interface Holding {
  percent: number;
  priority: string;
}

/** `90:high`; collects what is given several times. */
export function parseHolding(value: string, earlier: Holding[] = []): Holding[] {
  const match = /^([^:]+):([A-Za-z0-9][\w.-]{0,63})$/.exec(value);
  if (match === null) {
    throw new InvalidArgumentError("write percentage and the least urgent band let through, such as 90:high");
  }
  return [...earlier, { percent: parsePercent(match[1]!), priority: match[2]! }];
}

/** From so many percent on, an answer may have so many tokens. */
export interface Shortening {
  percent: number;
  max_tokens: number;
}

/** `80:512`; collects what is given several times. */
export function parseShortening(value: string, earlier: Shortening[] = []): Shortening[] {
  const match = /^([^:]+):([1-9]\d{0,8})$/.exec(value);
  if (match === null) {
    throw new InvalidArgumentError(
      "write percentage and the most tokens that an answer may have, such as 80:512",
    );
  }
  return [...earlier, { percent: parsePercent(match[1]!), max_tokens: Number(match[2]) }];
}

/** What a limit does before it is reached, as options say it. */
export interface ThresholdOptions {
  alert?: number[];
  stopAt?: number;
  holdLowPriority?: Holding[];
  shorten?: Shortening[];
}

/** Throws a `TermError` for percentages that can't be. */
export function thresholdsOf(given: ThresholdOptions): Threshold[] {
  const { alert = [], shorten = [], holdLowPriority = [], stopAt } = given;
  return readThresholds([
    ...alert.map((percent) => ({ percent, action: "notify" })),
    ...shorten.map((shortening) => ({ ...shortening, action: "shorten" })),
    ...holdLowPriority.map((holding) => ({ ...holding, action: "hold_low_priority" })),
    ...(stopAt === undefined ? [] : [{ percent: stopAt, action: "stop" }]),
  ]);
}

/** A reader of terms as a parser of arguments. */
function argument<T>(read: (value: string) => T): (value: string) => T {
  return (value) => {
    try {
      return read(value);
    } catch (error) {
      throw error instanceof TermError ? new InvalidArgumentError(error.message) : error;
    }
  };
}
