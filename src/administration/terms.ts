import {
  LIMIT_UNITS,
  parseAmount,
  type LimitRow,
  type LimitUnit,
  THRESHOLD_ACTIONS,
  type Threshold,
  type ThresholdAction,
} from "../core/budget/limits.ts";
import { type LimitWindow, parseWindow, UTC, WINDOW_FORMS } from "../core/budget/windows.ts";
import { unknownName } from "../config/nearest-name.ts";
import { isName, LEVELS_MAX, NAME_RULE, readAccount, ROOT } from "../keys/account-path.ts";
import { KEY_ROLES, type KeyRole } from "../keys/key-table.ts";
import { readZone, zonesLike } from "./zones.ts";

/** What a column of the ledger's file can hold. */
const AMOUNT_MAX = 2n ** 63n - 1n;
/** Of one limit. */
const THRESHOLDS_MAX = 16;
/** Somebody may want to hear of what an overage, or a limit that was lowered, has made of a budget. */
const ALERT_PERCENT_MAX = 1_000;
const ROLLING_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const ZONED: ReadonlySet<string> = new Set(["day", "week", "month"]);

/** A word that can't be taken; the message says what to write instead. */
export class TermError extends Error {
  override name = "TermError";
  /** What it was given for, such as `window`. */
  readonly param: string;

  constructor(param: string, message: string) {
    super(message);
    this.param = param;
  }
}

/** A limit without its account. */
export type LimitTerms = Required<Omit<LimitRow, "account">>;

/** One level of an account's path. */
export function readName(value: string): string {
  if (isName(value)) return value;
  throw new TermError("name", `use ${NAME_RULE}`);
}

/** `global`, `acme`, `acme/research` or `acme/research/alice`, with or without `global/` before it. */
export function readPath(value: string): string {
  const account = readAccount(value);
  if (account !== null) return account;
  throw new TermError(
    "account",
    `write ${ROOT}, a tenant such as acme, or what is below it, such as acme/research/alice: at most ${LEVELS_MAX} levels, each with ${NAME_RULE}`,
  );
}

export function readUnit(value: string): LimitUnit {
  const unit = LIMIT_UNITS.find((known) => known === value);
  if (unit !== undefined) return unit;
  throw new TermError("unit", unknownName("unit", value, LIMIT_UNITS));
}

/** Of units that are no counts. */
const AMOUNT_FORMS: Readonly<Partial<Record<LimitUnit, string>>> = {
  usd: "USD as a decimal, such as 5 or 0.25",
  gpu_seconds: "seconds as a decimal, to the microsecond, such as 3600 or 0.5",
};

export function readRole(value: string): KeyRole {
  const role = KEY_ROLES.find((known) => known === value);
  if (role !== undefined) return role;
  throw new TermError("role", unknownName("role", value, KEY_ROLES));
}

/** As it is stored: nano-USD for `usd`, µs for `gpu_seconds`, a count for the others. */
export function readAmount(value: string, unit: LimitUnit): string {
  const amount = parseAmount(unit, value);
  if (amount !== null && amount <= AMOUNT_MAX) return amount.toString();
  throw new TermError(
    "amount",
    `"${value}" is no amount of ${unit}: give ${AMOUNT_FORMS[unit] ?? "a whole number, such as 1000"}`,
  );
}

/** A time zone by its name, in its usual spelling. */
export function readZoneName(value: string): string {
  const zone = readZone(value);
  if (zone !== null) return zone;
  const [nearest, ...others] = zonesLike(value);
  const guess = nearest === undefined ? "" : `did you mean ${[nearest, ...others].join(" or ")}? `;
  throw new TermError(
    "zone",
    `there is no time zone "${value}"; ${guess}give its name as in the IANA database, such as Europe/Berlin, or UTC`,
  );
}

/**
 * `day`, `week` or `month`, in the zone if one is given; `total`, `hour`, `minute`, `day@Europe/Berlin`, `rolling:3600`
 * or `rolling 1h`.
 */
export function readWindow(value: string, zone?: string): LimitWindow {
  const [unit = "", ownZone] = value.split("@", 2);
  if (ownZone !== undefined && zone !== undefined) {
    throw new TermError("zone", `${value} names a time zone already: leave the other out`);
  }
  const named = ownZone ?? zone;
  if (named === undefined) return checkedWindow(rollingWindow(value) ?? value, value);
  const name = readZoneName(named);
  if (!ZONED.has(unit)) {
    checkedWindow(rollingWindow(unit) ?? unit, unit);
    throw new TermError("zone", `a zone goes with day, week and month; leave it out for ${unit}`);
  }
  return checkedWindow(name === UTC ? unit : `${unit}@${name}`, value);
}

/** `rolling:3600` from `rolling 3600s`, `rolling:1h` and the like; null for windows of another kind. */
function rollingWindow(value: string): string | null {
  const match = /^rolling[: ]\s*(\d+)\s*([smhd]?)$/.exec(value);
  if (match === null) return null;
  return `rolling:${Number(match[1]) * ROLLING_UNITS[match[2] || "s"]!}`;
}

function checkedWindow(window: LimitWindow, given: string): LimitWindow {
  if (parseWindow(window) !== null) return window;
  throw new TermError("window", `"${given}" is no window: choose ${WINDOW_FORMS} (seconds, at most a year)`);
}

/**
 * One threshold as people give it: `percent` of the amount; for `hold_low_priority` the least urgent band let through, for
 * `shorten` the most tokens of an answer.
 */
export interface ThresholdTerms {
  percent: number;
  action: string;
  priority?: string | null | undefined;
  max_tokens?: number | undefined;
}

/** In order of their percentage. */
export function readThresholds(given: readonly ThresholdTerms[]): Threshold[] {
  if (given.length > THRESHOLDS_MAX) {
    throw new TermError("thresholds", `give at most ${THRESHOLDS_MAX} thresholds for one limit`);
  }
  const thresholds = given.map(readThreshold).sort((a, b) => a.percent - b.percent);
  const names = new Set<string>();
  for (const { percent, action, priority, maxTokens = 0 } of thresholds) {
    const name = `${percent} ${action} ${priority} ${maxTokens}`;
    if (names.has(name)) throw new TermError("thresholds", `${percent} % ${action} is given twice`);
    names.add(name);
  }
  checkShortening(thresholds);
  return thresholds;
}

/** The lowest that was reached counts: one further on has to be lower. */
function checkShortening(thresholds: readonly Threshold[]): void {
  const shortening = thresholds.filter(({ action }) => action === "shorten");
  for (const [i, { percent, maxTokens }] of shortening.entries()) {
    const before = shortening[i - 1];
    if (before === undefined || maxTokens! < before.maxTokens!) continue;
    const words = `${maxTokens} tokens at ${percent} % can never count, as ${before.maxTokens} do from ${before.percent} % on`;
    throw new TermError("thresholds", `${words}: let tokens become fewer`);
  }
}

function readThreshold({
  percent,
  action,
  priority = null,
  max_tokens: maxTokens,
}: ThresholdTerms): Threshold {
  const known = THRESHOLD_ACTIONS.find((one) => one === action);
  if (known === undefined)
    throw new TermError("thresholds", unknownName("action", action, THRESHOLD_ACTIONS));
  const max = known === "notify" ? ALERT_PERCENT_MAX : 100;
  if (!Number.isInteger(percent) || percent < 1 || percent > max) {
    throw new TermError("thresholds", `give a percentage as a whole number from 1 to ${max}, such as 80`);
  }
  if (known === "shorten") {
    if (Number.isSafeInteger(maxTokens) && maxTokens! > 0)
      return { percent, action: known, priority: null, maxTokens: maxTokens! };
    throw new TermError(
      "thresholds",
      "say how many tokens an answer may still have: `max_tokens`, or as in --shorten 80:512",
    );
  }
  if (maxTokens !== undefined)
    throw new TermError("thresholds", `\`max_tokens\` is for \`shorten\`, not for ${known}`);
  if (known !== "hold_low_priority") return { percent, action: known, priority: null };
  if (priority !== null && priority !== "") return { percent, action: known, priority };
  throw new TermError(
    "thresholds",
    "say which band is still let through: `priority`, or as in --hold-low-priority 90:high",
  );
}

const WORDS: Readonly<Record<ThresholdAction, string>> = {
  notify: "alert",
  shorten: "at most",
  hold_low_priority: "only",
  stop: "stop",
};

/** A threshold as people are told of it. */
export interface ThresholdLine extends Omit<Threshold, "maxTokens"> {
  max_tokens?: number;
}

export function thresholdLines(thresholds: readonly Threshold[]): ThresholdLine[] {
  return thresholds.map(({ maxTokens, ...threshold }) => {
    return maxTokens === undefined ? threshold : { ...threshold, max_tokens: maxTokens };
  });
}

/** As in `alert at 80 %, only high and more urgent at 90 %, stop at 98 %`; empty where there are none. */
export function describeThresholds(thresholds: readonly ThresholdLine[]): string {
  return thresholds
    .map(({ percent, action, priority, max_tokens: maxTokens }) => {
      const tokens = maxTokens === undefined ? "" : ` ${maxTokens} tokens an answer`;
      const band = priority === null ? "" : ` ${priority} and more urgent`;
      return `${WORDS[action]}${tokens}${band} at ${percent} %`;
    })
    .join(", ");
}
