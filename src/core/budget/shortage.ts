import type { Micros } from "../units.ts";
import type { Shortage } from "./budget.ts";
import type { LimitInForce } from "./limit-tree.ts";
import type { amountFor } from "./thresholds.ts";

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
