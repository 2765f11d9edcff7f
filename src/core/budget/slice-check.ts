import type { Micros } from "../units.ts";
import type { Remainder, Shortage } from "./shortage.ts";
import type { Calendar } from "./calendar.ts";
import type { Charge } from "./charge.ts";
import type { Limit, LimitUnit } from "./limits.ts";
import { parentOf } from "./paths.ts";
import {
  type Cover,
  SLICE_PARTS,
  type SlicePart,
  type SlicePlace,
  type SliceTerms,
  UNIT_OF,
} from "./slice.ts";
import type { OpenSlice } from "./slices.ts";

/**
 * What of a charge the limit has to have room for: a limit above a slice has held what is drawn from it since the slice was
 * opened. In a window that has begun since then it has not, and is asked for all of it.
 */
export function uncovered(
  charge: Charge,
  cover: Cover,
  { limit, account, calendar, atUs }: { limit: Limit; account: string; calendar: Calendar; atUs: Micros },
): Charge {
  const asked = { ...charge };
  for (const part of SLICE_PARTS) {
    const slice = cover[part];
    if (slice === null || !isAbove(account, slice)) continue;
    if (slice.atUs >= calendar.countsFrom(limit.window, atUs)) asked[part] = 0;
  }
  return asked;
}

/** On the same path, a shorter name is further up. */
export function isAbove(account: string, slice: Pick<SlicePlace, "account">): boolean {
  return account.length <= parentOf(slice.account)!.length;
}

/** What an account holds, with all below it, in a limit's unit. */
export type HeldAt = (account: string, unit: LimitUnit) => bigint;

/** The outermost slice that has too little left for the charge; one that never will have enough goes before others. */
export function shortageOfSlices(charge: Charge, cover: Cover<OpenSlice>, heldAt: HeldAt): Shortage | null {
  const shortages: Shortage[] = [];
  for (const part of SLICE_PARTS) {
    const slice = cover[part];
    if (slice === null || charge[part] <= slice.rest[part]) continue;
    const { account } = slice;
    const needed = BigInt(charge[part]);
    const remaining = BigInt(slice.rest[part]);
    // What is held below may come back.
    const isPermanent = needed > remaining + heldAt(account, UNIT_OF[part]);
    const limit = limitOf(slice, part);
    shortages.push({ account, limit, threshold: null, needed, remaining, isPermanent, resetUs: null });
  }
  shortages.sort((a, b) => a.account.length - b.account.length);
  return shortages.find(({ isPermanent }) => isPermanent) ?? shortages[0] ?? null;
}

/** Nothing may be charged there any more. */
export function closedShortage(account: string, { nanoUsd }: Charge): Shortage {
  const limit: Limit = { unit: "usd", window: "total", amount: 0n, thresholds: [] };
  const amounts = { needed: BigInt(nanoUsd), remaining: 0n };
  return { account, limit, threshold: null, ...amounts, isPermanent: true, resetUs: null, isClosed: true };
}

/** Whether anything may be charged there is not known yet: a slice may be opened for it. */
export function comingShortage(account: string, charge: Charge): Shortage {
  return { ...closedShortage(account, charge), isPermanent: false, isClosed: false };
}

/** A slice in each of its units, as if it were limits. */
export function remaindersOfSlice(slice: OpenSlice, heldAt: HeldAt): Remainder[] {
  const { account, amounts, rest } = slice;
  const parts = SLICE_PARTS.filter((part) => amounts[part] > 0);
  return parts.map((part) => {
    const limit = limitOf(slice, part);
    const held = heldAt(account, limit.unit);
    const remaining = BigInt(rest[part]);
    return { account, limit, posted: limit.amount - remaining - held, held, remaining, resetUs: null };
  });
}

/** A slice as the limit that it is to whoever draws on it. */
export function limitOf({ amounts }: SliceTerms, part: SlicePart): Limit {
  return { unit: UNIT_OF[part], window: "total", amount: BigInt(amounts[part]), thresholds: [] };
}
