import { assert } from "../assert.ts";
import type { Micros } from "../units.ts";
import { Accounts, type DoubtfulPost, type Hold, type LedgerState, pathOf } from "./accounts.ts";
import { type Charge, excess, least, minus } from "./charge.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import { chargedIn, dayEnd, type Limit, type LimitRow, summedIn } from "./limits.ts";

/** Why a charge does not fit: the first limit, from the root down, that has no room; a permanent one before others. */
export interface Shortage {
  account: string;
  limit: Limit;
  /** What was asked for, and what is neither posted nor held, in the limit's unit. */
  needed: bigint;
  remaining: bigint;
  /** Whether the same can ever fit under this limit. */
  isPermanent: boolean;
  /** When the window ends, if only that helps; null when a hold that is released can help too. */
  resetUs: Micros | null;
}

/** What is left of one limit. */
export interface Remainder {
  account: string;
  limit: Limit;
  posted: bigint;
  held: bigint;
  /** Negative after an overage. */
  remaining: bigint;
  /** When the window ends; null for one that never does. */
  resetUs: Micros | null;
}

/**
 * Limits, and the operations on the balances under them. Each operation is all or nothing: it
 * changes every balance on the path and returns the one ledger entry that makes it durable, or
 * changes nothing and says what is short.
 *
 * Invariant: `reserve` and `extend` leave posted + held ≤ limit for every limit on the path. Nothing
 * else raises that sum, but an overage, by what is recorded.
 */
export class Budget {
  readonly #accounts: Accounts;
  readonly #limits = new Map<string, readonly Limit[]>();
  /** Limits on the way from the root to an account; made when first asked for. */
  readonly #limitsOnPath = new Map<string, readonly { account: string; limit: Limit }[]>();
  #clockUs: Micros;
  /** When the day of the clock is over. */
  #midnightUs: Micros = 0;

  constructor(state?: LedgerState) {
    this.#accounts = new Accounts(state);
    this.#clockUs = this.#accounts.clockUs;
  }

  get openHolds(): number {
    return this.#accounts.holds.size;
  }

  /** All open holds: at the start, those that the process before this one has left. */
  get holds(): Iterable<Hold> {
    return this.#accounts.holds.values();
  }

  /** Replaces limits by account, unit and window. What is already held stays held. */
  setLimits(rows: readonly LimitRow[]): void {
    for (const { account, unit, window, amount } of rows) {
      const others = (this.#limits.get(account) ?? []).filter((l) => l.unit !== unit || l.window !== window);
      const limit = amount === null ? [] : [{ unit, window, amount: BigInt(amount) }];
      this.#limits.set(account, [...others, ...limit]);
    }
    this.#limitsOnPath.clear();
  }

  /** Whether any limit on the path counts what an answer adds to a request: money or tokens. */
  isMetered(account: string): boolean {
    return this.#onPath(account).some(({ limit }) => limit.unit !== "requests");
  }

  /** Whether the charge would fit now. */
  fits(account: string, charge: Charge, nowUs: Micros): boolean {
    return this.#shortage(account, charge, this.#clock(nowUs)) === null;
  }

  reserve(options: { id: string; account: string; charge: Charge; nowUs: Micros }): LedgerEntry | Shortage {
    const { id, account, charge } = options;
    const atUs = this.#clock(options.nowUs);
    const shortage = this.#shortage(account, charge, atUs);
    if (shortage !== null) return shortage;
    return this.#apply({ operation: "reserve", hold: id, account, charge, atUs, heldAtUs: atUs });
  }

  extend(id: string, more: Charge, nowUs: Micros): LedgerEntry | Shortage {
    const { account, parts } = this.#open(id);
    const atUs = this.#clock(nowUs);
    const shortage = this.#shortage(account, more, atUs);
    if (shortage !== null) return shortage;
    const heldAtUs = parts[0]!.atUs;
    return this.#apply({ operation: "extend", hold: id, account, charge: more, atUs, heldAtUs });
  }

  /** Charges all that was used and frees the rest; what goes beyond the hold is charged too, and recorded. */
  post(id: string, used: Charge, nowUs: Micros): LedgerEntry {
    const hold = this.#open(id);
    return this.#end("post", hold, { charge: used, nowUs, overage: excess(used, hold.charge) });
  }

  /** Charges all that was held, because what was used is not known. */
  postInDoubt(id: string, nowUs: Micros): LedgerEntry {
    const hold = this.#open(id);
    return this.#end("post", hold, { charge: hold.charge, nowUs, inDoubt: true });
  }

  /** Frees all of it. */
  void(id: string, nowUs: Micros): LedgerEntry {
    const hold = this.#open(id);
    return this.#end("void", hold, { charge: hold.charge, nowUs });
  }

  /** Posts whose true use may still be learnt, the oldest first. */
  get inDoubt(): ReadonlyMap<string, DoubtfulPost> {
    return this.#accounts.inDoubt;
  }

  /**
   * Corrects a post in doubt to what was used after all, which can't be more than was held; null when
   * the hold is not in doubt.
   */
  adjust(id: string, used: Charge, nowUs: Micros): LedgerEntry | null {
    const post = this.#accounts.inDoubt.get(id);
    if (post === undefined) return null;
    const { account, heldAtUs } = post;
    const charge = minus(least(used, post.charge), post.charge);
    return this.#apply({
      operation: "adjust",
      hold: id,
      account,
      charge,
      atUs: this.#clock(nowUs),
      heldAtUs,
    });
  }

  /** Every limit on the path, from the root down. */
  remainders(account: string, nowUs: Micros): Remainder[] {
    const atUs = this.#clock(nowUs);
    return this.#onPath(account).map(({ account: name, limit }) => {
      const balance = this.#accounts.balance(name, limit.window, atUs);
      const posted = summedIn(limit.unit, balance.posted);
      const held = summedIn(limit.unit, balance.held);
      const resetUs = limit.window === "day" ? dayEnd(atUs) : null;
      return { account: name, limit, posted, held, remaining: limit.amount - posted - held, resetUs };
    });
  }

  /** The first limit that the charge does not fit under; one under which it never can goes before the others. */
  #shortage(account: string, charge: Charge, atUs: Micros): Shortage | null {
    let first: Shortage | null = null;
    for (const { account: name, limit } of this.#onPath(account)) {
      const needed = chargedIn(limit.unit, charge);
      if (needed === 0n) continue;
      const balance = this.#accounts.balance(name, limit.window, atUs);
      const posted = summedIn(limit.unit, balance.posted);
      const remaining = limit.amount - posted - summedIn(limit.unit, balance.held);
      if (needed <= remaining) continue;
      const fitsOncePosted = posted + needed <= limit.amount;
      const isPermanent = needed > limit.amount || (limit.window === "total" && !fitsOncePosted);
      const resetUs = limit.window === "day" && !fitsOncePosted ? dayEnd(atUs) : null;
      const shortage = { account: name, limit, needed, remaining, isPermanent, resetUs };
      if (isPermanent) return shortage;
      first ??= shortage;
    }
    return first;
  }

  #onPath(account: string): readonly { account: string; limit: Limit }[] {
    let limits = this.#limitsOnPath.get(account);
    if (limits === undefined) {
      limits = pathOf(account).flatMap((name) => {
        return (this.#limits.get(name) ?? []).map((limit) => ({ account: name, limit }));
      });
      this.#limitsOnPath.set(account, limits);
    }
    return limits;
  }

  /** The ledger's clock: it stands still where the machine's goes back. */
  #clock(nowUs: Micros): Micros {
    this.#clockUs = Math.max(nowUs, this.#clockUs);
    if (this.#clockUs >= this.#midnightUs) {
      this.#accounts.forgetDaysBefore(this.#clockUs);
      this.#midnightUs = dayEnd(this.#clockUs);
    }
    return this.#clockUs;
  }

  #open(id: string): Hold {
    const hold = this.#accounts.holds.get(id);
    assert(hold !== undefined, `${id} is open`);
    return hold;
  }

  #end(
    operation: "post" | "void",
    { id, account, parts }: Hold,
    end: { charge: Charge; nowUs: Micros; overage?: Charge | null; inDoubt?: boolean },
  ): LedgerEntry {
    const { charge, nowUs, ...rest } = end;
    const heldAtUs = parts[0]!.atUs;
    return this.#apply({ operation, hold: id, account, charge, atUs: this.#clock(nowUs), heldAtUs, ...rest });
  }

  #apply(
    step: Omit<LedgerEntry, "sequence" | "overage" | "inDoubt"> &
      Partial<Pick<LedgerEntry, "overage" | "inDoubt">>,
  ): LedgerEntry {
    const sequence = this.#accounts.sequence + 1;
    const entry: LedgerEntry = { overage: null, inDoubt: false, ...step, sequence };
    this.#accounts.apply(entry);
    return entry;
  }
}
