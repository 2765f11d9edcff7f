import type { Micros } from "../units.ts";
import type { LimitInForce } from "./limit-tree.ts";
import type { Limit, Threshold } from "./limits.ts";
import type { amountFor } from "./thresholds.ts";

/** Why a charge does not fit: the first limit, from the root down, that has no room; a permanent one before others. */
export interface Shortage {
  account: string;
  limit: Limit;
  /** The part of the limit that is all there is for a request of that priority; null where the whole of it is. */
  threshold: Threshold | null;
  /** What was asked for, and what is neither posted nor held, in the limit's unit. */
  needed: bigint;
  remaining: bigint;
  /** Whether the same can ever fit under this limit. */
  isPermanent: boolean;
  /** When the window's instance ends, if only that helps; null when a hold that is released can help too. */
  resetUs: Micros | null;
  /** Not for want of money: the account was a slice's, and the slice is closed. */
  isClosed?: boolean;
}

/** What is left of one limit. */
export interface Remainder {
  account: string;
  limit: Limit;
  posted: bigint;
  held: bigint;
  /** Negative after an overage. */
  remaining: bigint;
  /** When the window's instance ends; null for one that never does. */
  resetUs: Micros | null;
}

/** A limit that an answer was shortened or ended by, or a slice that is closed. */
export type LimitReached = Pick<Remainder, "account" | "limit" | "remaining" | "resetUs"> &
  Pick<Shortage, "isClosed"> &
  Partial<Pick<Ceiling, "maxTokens">>;

/** How long an answer may be while so much of a limit is used. */
export interface Ceiling extends Remainder {
  /** Generated tokens of each choice. */
  maxTokens: number;
}

/** What is asked for of a limit, how far that request may use it, and what is posted and held under it, in its unit. */
export interface Pressed extends ReturnType<typeof amountFor> {
  needed: bigint;
  posted: bigint;
  held: bigint;
}

/** What to tell of a limit that has too little room; `freedAt` says when so much of what is posted no longer counts. */
export function shortageUnder(
  { account, limit }: Pick<LimitInForce, "account" | "limit">,
  { needed, amount, threshold, posted, held }: Pressed,
  freedAt: (over: bigint) => Micros,
): Shortage {
  const isTotal = limit.window === "total";
  const fitsOncePosted = posted + needed <= amount;
  const isPermanent = needed > amount || (isTotal && !fitsOncePosted);
  const resetUs = isTotal || fitsOncePosted ? null : freedAt(posted + needed - amount);
  const remaining = amount - posted - held;
  return { account: account.name, limit, threshold, needed, remaining, isPermanent, resetUs };
}

/** Which is told where both a slice and a limit are short: the slice if it never will have enough, or if only it is. */
export function firstOf(slice: Shortage | null, limit: Shortage | null): Shortage | null {
  return slice !== null && (slice.isPermanent || limit === null) ? slice : limit;
}

/** One of several shortages that were found. */
export interface Found {
  shortage: Shortage;
  /** Not only what this supervisor has leased is short. */
  isCertain: boolean;
}

/** Which of several shortages is told: the heaviest. */
export function weightOf({ shortage, isCertain }: Found): number {
  if (!isCertain) return 0;
  return shortage.isPermanent ? 2 : 1;
}
