import type { Micros } from "../units.ts";
import type { Charge } from "./charge.ts";
import { formatUsd } from "./money.ts";

/** What a limit counts: money in nano-USD, tokens of prompt and answer together or of one of them, or requests. */
export type LimitUnit = "usd" | "tokens" | "input_tokens" | "output_tokens" | "requests";

/** For how long it counts: for ever, or from midnight to midnight in UTC. */
export type LimitWindow = "total" | "day";

export const LIMIT_UNITS: readonly LimitUnit[] = [
  "usd",
  "tokens",
  "input_tokens",
  "output_tokens",
  "requests",
];
export const LIMIT_WINDOWS: readonly LimitWindow[] = ["total", "day"];

/** The most that an account, with all accounts below it, may use in a window. */
export interface Limit {
  unit: LimitUnit;
  window: LimitWindow;
  /** In nano-USD for `usd`. */
  amount: bigint;
}

/** A limit as it is stored and sent: in `amount` a decimal integer, or null where there is none any more. */
export interface LimitRow {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  amount: string | null;
}

/** Sums of charges, over any number of packets. */
export interface Sum {
  nanoUsd: bigint;
  inputTokens: number;
  outputTokens: number;
  requests: number;
}

const DAY_US: Micros = 24 * 60 * 60 * 1_000_000;

/** The first instant of the day in UTC. */
export function dayStart(atUs: Micros): Micros {
  return atUs - (atUs % DAY_US);
}

export function dayEnd(atUs: Micros): Micros {
  return dayStart(atUs) + DAY_US;
}

/** What of a charge a limit in that unit counts. */
export function chargedIn(unit: LimitUnit, charge: Charge): bigint {
  switch (unit) {
    case "usd":
      return BigInt(charge.nanoUsd);
    case "tokens":
      return BigInt(charge.inputTokens + charge.outputTokens);
    case "input_tokens":
      return BigInt(charge.inputTokens);
    case "output_tokens":
      return BigInt(charge.outputTokens);
    case "requests":
      return BigInt(charge.requests);
  }
}

export function summedIn(unit: LimitUnit, sum: Sum): bigint {
  return unit === "usd" ? sum.nanoUsd : chargedIn(unit, { ...sum, nanoUsd: 0 });
}

/** An amount as people read it: USD as a decimal, everything else as a whole number. */
export function formatAmount(unit: LimitUnit, amount: bigint): string {
  return unit === "usd" ? formatUsd(amount) : amount.toString();
}

/** As in `5 USD a day`. */
export function describeLimit({ unit, window, amount }: Limit): string {
  const name = unit === "usd" ? "USD" : unit.replace("_", " ");
  const text = `${formatAmount(unit, amount)} ${name}`;
  return window === "day" ? `${text} a day` : `${text} in total`;
}
