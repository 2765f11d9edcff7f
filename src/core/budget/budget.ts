import { assert } from "../assert.ts";
import { type Micros, seconds } from "../units.ts";
import {
  type Account,
  Accounts,
  type BalanceRow,
  type DoubtfulPost,
  type Hold,
  type LedgerState,
  parentOf,
  type TrackedWindow,
  trackedOf,
} from "./accounts.ts";
import type { ZoneRules } from "./calendar.ts";
import { type Charge, excess, least, minus } from "./charge.ts";
import type { CountedWindow } from "./counted-window.ts";
import { HELD, POSTED, type Slot } from "./counts.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import { chargedIn, type Limit, type LimitRow, type LimitUnit, partOf, type Threshold } from "./limits.ts";
import { RecentPosts } from "./recent-posts.ts";
import { amountFor, type RankOf } from "./thresholds.ts";

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

/** What is to be charged to whom. */
export interface Asked {
  account: string;
  /** Name of its band; null for the usual one. */
  priority: string | null;
  charge: Charge;
}

/** What others know of windows that a limit is set for: what was posted in them, through that entry. */
export interface Known {
  zones: readonly ZoneRules[];
  used: readonly BalanceRow[];
  through: number;
}

/** A limit, and where what it limits is counted: `counted` is null for the window `total`. */
interface LimitInForce {
  readonly account: Account;
  readonly limit: Limit;
  readonly unit: LimitUnit;
  readonly counted: CountedWindow | null;
  /** Where less than this is used, whoever asks has room: nobody has to look closer. */
  readonly plenty: number;
}

/** An account, with its limits and the way up to the root. */
interface Place {
  readonly above: Place | null;
  limits: readonly LimitInForce[];
}

const NO_LIMITS: readonly LimitInForce[] = [];

/** So much below a limit, what is lost where doubles are not exact changes nothing. */
const CLEARLY_BELOW = 1 - 1e-9;

/** So often instances that are over are forgotten, of so many accounts. */
const FORGETTING_US = seconds(0.1);
const FORGOTTEN_AT_ONCE = 100;

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
  readonly #rankOf: RankOf;
  /** By account. */
  readonly #places = new Map<string, Place>();
  readonly #recent = new RecentPosts();
  #clockUs: Micros;
  #forgetUs: Micros = 0;

  /** `rankOf` says how urgent a band is; without it all are alike. */
  constructor(state?: LedgerState, rankOf: RankOf = () => 0) {
    this.#accounts = new Accounts(state, ({ sequence, account }, atUs, charge) => {
      this.#recent.add({ sequence, account, atUs, charge });
    });
    this.#rankOf = rankOf;
    this.#clockUs = this.#accounts.clockUs;
  }

  get openHolds(): number {
    return this.#accounts.holds.size;
  }

  /** All open holds: at the start, those that the process before this one has left. */
  get holds(): Iterable<Hold> {
    return this.#accounts.holds.values();
  }

  /** Replaces limits by account, unit and window. What is already held stays held, and what was used in the window counts. */
  setLimits(rows: readonly LimitRow[], known: Known): void {
    this.#accounts.learn(known.zones);
    const used = Map.groupBy(known.used, windowOf);
    for (const { account, unit, window, amount, thresholds = [] } of rows) {
      const place = this.#place(account);
      const others = place.limits.filter(({ limit }) => limit.unit !== unit || limit.window !== window);
      if (amount !== null) {
        this.#track({ account, window }, { posted: used.get(windowOf({ account, window })), ...known });
        others.push(this.#inForce(account, { unit, window, amount: BigInt(amount), thresholds }));
      }
      place.limits = others;
    }
  }

  /** The file has everything through that entry. */
  durable(through: number): void {
    this.#recent.forgetThrough(through);
  }

  /** Whether any limit on the path counts what an answer adds to a request: money or tokens. */
  isMetered(account: string): boolean {
    return this.#limitsOn(account).some(({ limit }) => limit.unit !== "requests");
  }

  /** Whether the charge would fit now. */
  fits(asked: Asked, nowUs: Micros): boolean {
    return this.#shortage(asked, this.#clock(nowUs)) === null;
  }

  reserve(hold: { id: string; model: string }, asked: Asked, nowUs: Micros): LedgerEntry | Shortage {
    const { id, model } = hold;
    const { account, charge } = asked;
    const atUs = this.#clock(nowUs);
    const shortage = this.#shortage(asked, atUs);
    if (shortage !== null) return shortage;
    return this.#apply({ operation: "reserve", hold: id, account, model, charge, atUs, heldAtUs: atUs });
  }

  extend(id: string, more: Omit<Asked, "account">, nowUs: Micros): LedgerEntry | Shortage {
    const { account, model, parts } = this.#open(id);
    const { charge } = more;
    const atUs = this.#clock(nowUs);
    const shortage = this.#shortage({ ...more, account }, atUs);
    if (shortage !== null) return shortage;
    const heldAtUs = parts[0]!.atUs;
    return this.#apply({ operation: "extend", hold: id, account, model, charge, atUs, heldAtUs });
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
    const { account, model, heldAtUs } = post;
    const charge = minus(least(used, post.charge), post.charge);
    const atUs = this.#clock(nowUs);
    return this.#apply({ operation: "adjust", hold: id, account, model, charge, atUs, heldAtUs });
  }

  /** Every limit on the path, from the root down. */
  remainders(account: string, nowUs: Micros): Remainder[] {
    const atUs = this.#clock(nowUs);
    const { counts } = this.#accounts;
    return this.#limitsOn(account).map((inForce) => {
      const { account: at, limit } = inForce;
      const slot = slotOf(inForce, atUs);
      const posted = counts.amount(limit.unit, slot, POSTED);
      const held = counts.amount(limit.unit, slot, HELD);
      const resetUs =
        limit.window === "total" ? null : this.#accounts.calendar.span(limit.window, atUs).endUs;
      return { account: at.name, limit, posted, held, remaining: limit.amount - posted - held, resetUs };
    });
  }

  /** When the instance of the window ends. */
  endOf({ window }: Limit, nowUs: Micros): Micros {
    return this.#accounts.calendar.span(window, this.#clock(nowUs)).endUs;
  }

  /** The first limit that the charge does not fit under; one under which it never can goes before the others. */
  #shortage(asked: Asked, atUs: Micros): Shortage | null {
    let first: Shortage | null = null;
    // From the leaf up and each account's last limit first, so that what is found later goes before.
    for (let place: Place | null = this.#place(asked.account); place !== null; place = place.above) {
      for (let i = place.limits.length - 1; i >= 0; i--) {
        const shortage = this.#shortageOf(place.limits[i]!, asked, atUs);
        if (shortage !== null && (shortage.isPermanent || first?.isPermanent !== true)) first = shortage;
      }
    }
    return first;
  }

  #shortageOf(inForce: LimitInForce, { charge, priority }: Asked, atUs: Micros): Shortage | null {
    const { account: at, unit, plenty } = inForce;
    const needed = chargedIn(unit, charge);
    if (needed === 0n) return null;
    const { counts } = this.#accounts;
    const slot = slotOf(inForce, atUs);
    if (counts.roughlyUsed(unit, slot) + Number(needed) < plenty) return null;
    const { limit } = inForce;
    const { window } = limit;
    const { amount, threshold } = amountFor(limit, priority, this.#rankOf);
    const posted = counts.amount(unit, slot, POSTED);
    const remaining = amount - posted - counts.amount(unit, slot, HELD);
    if (needed <= remaining) return null;
    const fitsOncePosted = posted + needed <= amount;
    const isPermanent = needed > amount || (window === "total" && !fitsOncePosted);
    const over = posted + needed - amount;
    const resetUs = window === "total" || fitsOncePosted ? null : this.#freedAt(inForce, over, atUs);
    return { account: at.name, limit, threshold, needed, remaining, isPermanent, resetUs };
  }

  /** When so much of what is posted under the limit no longer counts: at the end of the instance, or bucket by bucket. */
  #freedAt({ counted, unit }: LimitInForce, amount: bigint, atUs: Micros): Micros {
    assert(counted !== null, "what is used in total counts for ever");
    const { calendar, counts } = this.#accounts;
    const fromUs = calendar.countsFrom(counted.window, atUs);
    let left = amount;
    let freedUs = calendar.span(counted.window, atUs).endUs;
    for (const { startUs, slot } of counted.instances.toSorted((a, b) => a.startUs - b.startUs)) {
      if (startUs < fromUs || left <= 0n) continue;
      left -= counts.amount(unit, slot, POSTED);
      freedUs = calendar.countsUntil(counted.window, startUs);
    }
    return freedUs;
  }

  /** Every limit on the path, from the root down. */
  #limitsOn(account: string): LimitInForce[] {
    const levels: (readonly LimitInForce[])[] = [];
    for (let place: Place | null = this.#place(account); place !== null; place = place.above)
      levels.push(place.limits);
    return levels.toReversed().flat();
  }

  #place(account: string): Place {
    let place = this.#places.get(account);
    if (place === undefined) {
      const parent = parentOf(account);
      const above = parent === null ? null : this.#place(parent);
      this.#places.set(account, (place = { above, limits: NO_LIMITS }));
    }
    return place;
  }

  #inForce(name: string, limit: Limit): LimitInForce {
    const account = this.#accounts.account(name);
    const counted = limit.window === "total" ? null : trackedOf(account, limit.window);
    const percents = limit.thresholds.filter(({ action }) => action !== "notify").map((t) => t.percent);
    const plenty = Number(partOf(limit.amount, Math.min(100, ...percents))) * CLEARLY_BELOW;
    return { account, limit, unit: limit.unit, counted, plenty };
  }

  #track(
    tracked: TrackedWindow,
    { posted = [], through }: { posted?: readonly BalanceRow[] | undefined; through: number },
  ): void {
    if (this.#accounts.isTracked(tracked)) return;
    const startOf = (atUs: Micros): Micros => this.#accounts.calendar.span(tracked.window, atUs).startUs;
    this.#accounts.track(tracked, [...posted, ...this.#recent.rowsOf(tracked, { after: through, startOf })]);
  }

  /** The ledger's clock: it stands still where the machine's goes back. */
  #clock(nowUs: Micros): Micros {
    this.#clockUs = Math.max(nowUs, this.#clockUs);
    if (this.#clockUs >= this.#forgetUs) {
      this.#accounts.forgetSome(this.#clockUs, FORGOTTEN_AT_ONCE);
      this.#forgetUs = this.#clockUs + FORGETTING_US;
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
    { id, account, model, parts }: Hold,
    end: { charge: Charge; nowUs: Micros; overage?: Charge | null; inDoubt?: boolean },
  ): LedgerEntry {
    const { charge, nowUs, ...rest } = end;
    const heldAtUs = parts[0]!.atUs;
    const atUs = this.#clock(nowUs);
    return this.#apply({ operation, hold: id, account, model, charge, atUs, heldAtUs, ...rest });
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

/** Posted and held, in the instance that contains that instant. */
function slotOf({ account, counted }: LimitInForce, atUs: Micros): Slot {
  return counted === null ? account.total : counted.at(atUs);
}

/** A name for a window of an account. */
function windowOf({ account, window }: TrackedWindow): string {
  return `${account} ${window}`;
}
