import type { Micros } from "../units.ts";
import type { HoldPart } from "./accounts.ts";
import type { Charge } from "./charge.ts";

/**
 * One line of the ledger: what was done with a hold, and the money that moved. The lines alone, in
 * order, give every balance (`accounts.ts`).
 *
 * ```
 *              ┌─ extend ─┐
 *              ▼          │
 *   reserve ──▶ open ─────┴──post──▶ closed: the use is charged, the rest is free
 *                 └────────void──▶ closed: all of it is free
 *                                     │
 *                   in doubt only ────┴── adjust ──▶ the true use is known after all
 * ```
 */
export interface LedgerEntry {
  /** Position in the ledger, counted from 1 without gaps. */
  sequence: number;
  /** The ledger's own clock, which never goes back. */
  atUs: Micros;
  operation: "reserve" | "extend" | "post" | "void" | "adjust";
  /**
   * The packet's id and how many attempts it had seen: `r1/0:0` is the first hold of packet `r1/0`. A slice's names its
   * sub-account: see `slice.ts`.
   */
  hold: string;
  /** Path from the root of the account tree, such as `global/acme/key_1`. */
  account: string;
  /** What it is for, by the name that prices are looked up under. */
  model: string;
  /**
   * What is held by `reserve`, held in addition by `extend`, used for `post`, freed by `void`; for
   * `adjust` the difference to what was posted, which may be negative.
   */
  charge: Charge;
  /** What a `post` charged beyond its hold, which only an endpoint that bills above its declared maximum can cause. */
  overage: Charge | null;
  /** A `post` of all that was held because nobody knows what was used, as after a crash; of GPU time, of what can have been used. */
  inDoubt: boolean;
  /** When the hold was made. */
  heldAtUs: Micros;
  /**
   * Of a `post` in doubt, the parts that its hold had, where there were several: so that an `adjust` counts in the windows of
   * each, whoever has only this line to go by. Null for all others.
   */
  parts: readonly HoldPart[] | null;
}
