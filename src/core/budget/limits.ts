import type { Charge } from "./charge.ts";
import { formatDecimal, parseDecimal } from "./decimals.ts";
import { formatUsd, parseUsd } from "./money.ts";
import { describeWindow, type LimitWindow } from "./windows.ts";

/**
 * What a limit counts: money in nano-USD, tokens of prompt and answer together or of one of them, requests, or GPU time
 * in µs.
 */
export type LimitUnit = "usd" | "tokens" | "input_tokens" | "output_tokens" | "requests" | "gpu_seconds";

export const LIMIT_UNITS: readonly LimitUnit[] = [
  "usd",
  "tokens",
  "input_tokens",
  "output_tokens",
  "requests",
  "gpu_seconds",
];

/** GPU time is counted in µs. */
const GPU_SECONDS_DECIMALS = 6;

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
  /** In nano-USD for `usd`, in µs for `gpu_seconds`. */
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
  gpuUs: number;
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
    case "gpu_seconds":
      return counts.gpuUs;
  }
}

/** So much of the amount, rounded down. */
export function partOf(amount: bigint, percent: number): bigint {
  return (amount * BigInt(percent)) / 100n;
}

/** An amount as people read it: USD and seconds of GPUs as decimals, everything else as a whole number. */
export function formatAmount(unit: LimitUnit, amount: bigint): string {
  switch (unit) {
    case "usd":
      return formatUsd(amount);
    case "gpu_seconds":
      return formatDecimal(amount, GPU_SECONDS_DECIMALS);
    default:
      return amount.toString();
  }
}

/** The amount that was written so; null where it is none, or finer than the unit is counted in. */
export function parseAmount(unit: LimitUnit, text: string): bigint | null {
  switch (unit) {
    case "usd":
      return parseUsd(text);
    case "gpu_seconds":
      return parseDecimal(text, GPU_SECONDS_DECIMALS);
    default:
      return /^\d+$/.test(text) ? BigInt(text) : null;
  }
}

/** As in messages: `5 GPU-seconds`. */
const UNIT_NAMES: Readonly<Record<LimitUnit, string>> = {
  usd: "USD",
  tokens: "tokens",
  input_tokens: "input tokens",
  output_tokens: "output tokens",
  requests: "requests",
  gpu_seconds: "GPU-seconds",
};

/** As in `5 USD a day`. */
export function describeLimit({ unit, window, amount }: Pick<Limit, "unit" | "window" | "amount">): string {
  return `${formatAmount(unit, amount)} ${UNIT_NAMES[unit]} ${describeWindow(window)}`;
}
