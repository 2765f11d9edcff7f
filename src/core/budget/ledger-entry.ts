import type { Charge } from "../vocabulary.ts";

/**
 * One line of the ledger. A hold begins with `reserve` and ends with exactly one of `post`,
 * which charges what was used and frees the rest, and `void`, which frees all of it.
 */
export interface LedgerEntry {
  /** Position in the ledger, counted from 1 without gaps. */
  sequence: number;
  operation: "reserve" | "post" | "void";
  /** The packet's id and how many attempts it had seen: `r1/0:0` is the first hold of packet `r1/0`. */
  hold: string;
  /** Path from the root of the account tree, such as `global/local`. */
  account: string;
  /** The worst case for `reserve`, the use for `post`, what is freed for `void`. */
  charge: Charge;
  /** What a `post` charged beyond its hold, which only an endpoint that bills above its declared maximum can cause. */
  overage: Charge | null;
}
