import { assert } from "../assert.ts";
import type { Charge } from "../budget/charge.ts";
import type { LimitedAccounts } from "../budget/limited-accounts.ts";
import { chargedIn } from "../budget/limits.ts";
import { firstOf, type Shortage, shortageUnder } from "../budget/shortage.ts";
import { uncovered } from "../budget/slice-check.ts";
import { SLICE_PARTS, UNIT_OF } from "../budget/slice.ts";
import { amountFor, type RankOf } from "../budget/thresholds.ts";
import type { Micros } from "../units.ts";
import type { LeaseBook } from "./lease-book.ts";
import { type AskedPlace, type LeasePlace, SLICE_WINDOW } from "./lease.ts";
import { startOf } from "./unused.ts";

/** A slice that is to be held on the account above its own. */
export interface SliceNeed {
  readonly above: string;
  readonly amounts: Charge;
  readonly priority: string | null;
  readonly rankOf: RankOf;
}

/** What is needed for it of every limit on the path, and of the slices that it is drawn from: all of it, at that time. */
export function roomFor(
  { above, amounts, ...who }: SliceNeed,
  books: LimitedAccounts,
  nowUs: Micros,
): AskedPlace[] {
  const atUs = books.clock(nowUs);
  const { calendar, slices } = books.accounts;
  const cover = slices.coverOf(above);
  const limits = books.limits.on(above).flatMap(({ account: { name: account }, limit, unit }) => {
    const own = cover === null ? amounts : uncovered(amounts, cover, { limit, account, calendar, atUs });
    const { threshold } = amountFor(limit, who.priority, who.rankOf);
    const place = { account, unit, window: limit.window, startUs: startOf(limit, calendar, atUs) };
    return whole(place, chargedIn(unit, own), threshold?.percent ?? 100);
  });
  const drawn = SLICE_PARTS.flatMap((part) => {
    const account = cover?.[part]?.account;
    if (account === undefined) return [];
    const place = { account, unit: UNIT_OF[part], window: SLICE_WINDOW, startUs: 0 };
    return whole(place, BigInt(amounts[part]), 100);
  });
  return [...limits, ...drawn];
}

function whole(place: LeasePlace, amount: bigint, percent: number): AskedPlace[] {
  const needed = amount.toString();
  return amount === 0n ? [] : [{ ...place, needed, least: needed, surplus: "0", percent }];
}

export function isSamePlaces(a: readonly AskedPlace[], b: readonly AskedPlace[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Which of the places, none of which has to give more, is why it is refused: as for any request. */
export function shortageFor(
  need: SliceNeed & { readonly places: readonly AskedPlace[] },
  { books, leases }: { books: LimitedAccounts; leases: LeaseBook },
  nowUs: Micros,
): Shortage {
  const atUs = books.clock(nowUs);
  const found = need.places.flatMap((place) => {
    const standing = leases.standing(place);
    if (standing === null) return [];
    const { limit, posted, reserved: held } = standing;
    const needed = BigInt(place.needed);
    const allowed = amountFor(limit, need.priority, need.rankOf);
    if (needed <= allowed.amount - posted - held) return [];
    const inForce = { account: books.accounts.account(place.account), limit };
    const freedAt = (over: bigint): Micros => books.freedAt(books.limits.find(place)!, over, atUs);
    const shortage = shortageUnder(inForce, { needed, posted, held, ...allowed }, freedAt);
    return [{ shortage, isSlice: place.window === SLICE_WINDOW }];
  });
  const [slice, limit] = [true, false].map((is) => {
    const among = found.filter(({ isSlice }) => isSlice === is).map(({ shortage }) => shortage);
    return among.find(({ isPermanent }) => isPermanent) ?? among[0] ?? null;
  });
  const first = firstOf(slice!, limit!);
  assert(first !== null, "an ask that is refused is short of something");
  return first;
}
