import type { Charge } from "./charge.ts";
import { formatUsd } from "./money.ts";
import { describeWindow, type LimitWindow } from "./windows.ts";

/** What a limit counts: money in nano-USD, tokens of prompt and answer together or of one of them, or requests. */
export type LimitUnit = "usd" | "tokens" | "input_tokens" | "output_tokens" | "requests";

export const LIMIT_UNITS: readonly LimitUnit[] = [
  "usd",
  "tokens",
  "input_tokens",
  "output_tokens",
  "requests",
];

/**
 * What happens at a part of a limit:
 * - `notify`: somebody is told, once in each instance of the window, when that much is posted;
 * - `shorten`: from there on an answer that begins may have `maxTokens` at most;
 * - `hold_low_priority`: from there on only requests of the band `priority`, or a more urgent one, are let through;
 * - `stop`: nothing is.
 */
export type ThresholdAction = "notify" | "shorten" | "hold_low_priority" | "stop";

export const THRESHOLD_ACTIONS: readonly ThresholdAction[] = [
  "notify",
  "shorten",
  "hold_low_priority",
  "stop",
];

export interface Threshold {
  /** In percent of the amount: a whole number from 1 to 100, for `notify` to 1,000. */
  percent: number;
  action: ThresholdAction;
  /** The least urgent band that is let through; null for all actions but `hold_low_priority`. */
  priority: string | null;
  /** Generated tokens of each choice; absent for all actions but `shorten`. */
  maxTokens?: number;
}

/** The most that an account, with all accounts below it, may use in a window. */
export interface Limit {
  unit: LimitUnit;
  window: LimitWindow;
  /** In nano-USD for `usd`. */
  amount: bigint;
  thresholds: readonly Threshold[];
}

/** A limit as it is stored and sent: in `amount` a decimal integer, or null where there is none any more. */
export interface LimitRow {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  amount: string | null;
  /** None if absent. */
  thresholds?: Threshold[];
}

/** Sums of charges, over any number of packets. */
export interface Sum {
  nanoUsd: bigint;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  requests: number;
}

/** What of a charge a limit in that unit counts. */
export function chargedIn(unit: LimitUnit, charge: Charge): bigint {
  return unit === "usd" ? BigInt(charge.nanoUsd) : BigInt(countedIn(unit, charge));
}

export function summedIn(unit: LimitUnit, sum: Sum): bigint {
  return unit === "usd" ? sum.nanoUsd : BigInt(countedIn(unit, sum));
}

function countedIn(unit: Exclude<LimitUnit, "usd">, counts: Omit<Sum, "nanoUsd">): number {
  switch (unit) {
    case "tokens":
      return counts.inputTokens + counts.outputTokens;
    case "input_tokens":
      return counts.inputTokens;
    case "output_tokens":
      return counts.outputTokens;
    case "requests":
      return counts.requests;
  }
}

/** So much of the amount, rounded down. */
export function partOf(amount: bigint, percent: number): bigint {
  return (amount * BigInt(percent)) / 100n;
}

/** An amount as people read it: USD as a decimal, everything else as a whole number. */
export function formatAmount(unit: LimitUnit, amount: bigint): string {
  return unit === "usd" ? formatUsd(amount) : amount.toString();
}

/** As in `5 USD a day`. */
export function describeLimit({ unit, window, amount }: Pick<Limit, "unit" | "window" | "amount">): string {
  const name = unit === "usd" ? "USD" : unit.replace("_", " ");
  return `${formatAmount(unit, amount)} ${name} ${describeWindow(window)}`;
}
