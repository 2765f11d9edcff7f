import type { Hold } from "../budget/accounts.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce } from "../budget/limit-tree.ts";
import type { LimitedAccounts } from "../budget/limited-accounts.ts";
import { type Limit, partOf } from "../budget/limits.ts";
import { remaindersOfSlice } from "../budget/slice-check.ts";
import type { Micros } from "../units.ts";
import { type AskedPlace, LEASE_SKEW_US, type LeasePlace, SLICE_WINDOW } from "./lease.ts";
import { nameOf, type PlaceName, placeOf, type LeasedPlaces } from "./leased-places.ts";
import { startOf, Unused } from "./unused.ts";

/** What there is for an ask of one place. */
export interface Room {
  /** Under the limit, as far as that request may use it. */
  free: bigint;
  /** What its lease lacks: for all that is needed, and for the least. */
  short: bigint;
  least: bigint;
  /** What has been used beyond the lease. */
  debt: bigint;
  /** What may be granted beyond the need. */
  surplus: bigint;
}

/** A limit, or a slice as the limit that it is to whoever draws on it, and what is used of it by all. */
export interface Standing {
  limit: Limit;
  posted: bigint;
  held: bigint;
  /** Held, and besides that leased. */
  reserved: bigint;
}

/** What every replica has leased of every limit and slice, beside what is posted and held under it. */
export class LeaseBook {
  readonly #books: LimitedAccounts;
  /** By limit or slice, then by replica. */
  readonly #leases = new Map<string, Map<string, Unused>>();

  constructor(books: LimitedAccounts) {
    this.#books = books;
  }

  /** The replica's lease of the limit begins anew: with these holds of its own open, or, where there is no such limit, not at all. */
  open(
    replica: string,
    name: PlaceName,
    { places, holds }: { places: LeasedPlaces; holds: Iterable<Hold> },
  ): void {
    const inForce = this.#books.limits.find(name);
    if (inForce === null) this.end(replica, name);
    else this.#leasesOf(name).set(replica, places.openedAt(inForce, holds));
  }

  /** There is no such limit or slice for the replica any more. */
  end(replica: string, name: PlaceName): void {
    const leases = this.#leasesOf(name);
    leases.delete(replica);
    if (leases.size === 0) this.#leases.delete(nameOf(name));
  }

  /** All that the replica's leases had left is nobody's. */
  drop(replica: string): void {
    for (const [name, leases] of this.#leases) {
      leases.delete(replica);
      if (leases.size === 0) this.#leases.delete(name);
    }
  }

  /** From here on, what the replica's entries use there is counted. */
  begin(replica: string, place: LeasePlace): void {
    this.#lease(replica, place);
  }

  /** So much more is set aside for the replica, or less. */
  add(replica: string, place: LeasePlace, amount: bigint): void {
    this.#lease(replica, place).add(place.startUs, amount);
  }

  /** Takes what the entry uses from the leases of the replica that has these places; `hold` is what was open before it. */
  count(
    replica: string,
    places: LeasedPlaces,
    { entry, hold }: { entry: LedgerEntry; hold: Hold | undefined },
  ): void {
    places.count(entry, hold, (inForce, { startUs, amount }) => {
      this.#leases
        .get(nameOf(placeOf(inForce)))
        ?.get(replica)
        ?.take(startUs, amount);
    });
  }

  /** What the replica's entries have taken of its lease since that began. */
  takenBy(replica: string, place: LeasePlace): bigint {
    return this.#leases.get(nameOf(place))?.get(replica)?.takenAt(place.startUs) ?? 0n;
  }

  /** Replicas that have something left there, but for that one. */
  othersWithRest(replica: string, { startUs, ...name }: LeasePlace): string[] {
    const leases = this.#leases.get(nameOf(name)) ?? new Map<string, Unused>();
    return [...leases].flatMap(([other, unused]) =>
      other !== replica && unused.at(startUs) > 0n ? [other] : [],
    );
  }

  /** What is used by all, as of an instant that counts in the place; null where there is no such limit or slice. */
  standing(place: LeasePlace): Standing | null {
    const standing = place.window === SLICE_WINDOW ? this.#slice(place) : this.#limit(place);
    if (standing === null) return null;
    let { reserved } = standing;
    for (const unused of this.#leases.get(nameOf(place))?.values() ?? [])
      reserved += positive(unused.at(place.startUs));
    return { ...standing, reserved };
  }

  /** `sharers` are as many replicas as there are. */
  room(replica: string, place: AskedPlace, { nowUs, sharers }: { nowUs: Micros; sharers: number }): Room {
    const clockUs = this.#books.clock(nowUs);
    const left = this.#leases.get(nameOf(place))?.get(replica)?.at(place.startUs) ?? 0n;
    const rest = positive(left);
    const short = positive(BigInt(place.needed) - rest);
    const least = positive(BigInt(place.least) - rest);
    const debt = positive(-left);
    const standing = this.standing(place);
    // The replica will be told, or has been told already, that the limit is gone.
    if (standing === null) return { free: short, short, least, debt, surplus: 0n };
    const { limit, posted, reserved } = standing;
    const { amount } = limit;
    const used = this.#isOver(limit, place, clockUs) ? amount : posted + reserved;
    const free = positive(partOf(amount, place.percent) - used);
    // Not beyond a threshold, and not so much that nothing is left for the others.
    const plenty = positive(partOf(amount, lowestOf(limit)) - used - short);
    const share = plenty / BigInt(2 * sharers);
    const surplus = place.percent < 100 ? 0n : smaller(share, BigInt(place.surplus));
    return { free, short, least, debt, surplus };
  }

  /** Without what leases have left. */
  #limit(place: LeasePlace): Standing | null {
    const inForce = this.#books.limits.find(place);
    if (inForce === null) return null;
    const { posted, held } = this.#books.usage(inForce, this.#instantOf(inForce, place));
    return { limit: inForce.limit, posted, held, reserved: held };
  }

  /** The same of a slice: what is held below it is held, and what nobody has drawn is free. */
  #slice({ account, unit }: LeasePlace): Standing | null {
    const slice = this.#books.accounts.slices.find(account);
    const parts = slice === null ? [] : remaindersOfSlice(slice, this.#books.heldAt);
    const part = parts.find(({ limit }) => limit.unit === unit);
    if (part === undefined) return null;
    const { limit, posted, held } = part;
    return { limit, posted, held, reserved: held };
  }

  /** One that counts in the instance. */
  #instantOf({ limit }: LimitInForce, { startUs }: LeasePlace): Micros {
    const nowUs = this.#books.clock(0);
    return startOf(limit, this.#books.accounts.calendar, nowUs) === 0 ? nowUs : startUs;
  }

  /** Whether the instance is long over: what was used in it may be forgotten. */
  #isOver(limit: Limit, { startUs }: LeasePlace, clockUs: Micros): boolean {
    return startUs < startOf(limit, this.#books.accounts.calendar, clockUs - LEASE_SKEW_US);
  }

  #leasesOf(name: PlaceName): Map<string, Unused> {
    const leases = this.#leases.get(nameOf(name)) ?? new Map<string, Unused>();
    this.#leases.set(nameOf(name), leases);
    return leases;
  }

  #lease(replica: string, place: LeasePlace): Unused {
    const leases = this.#leasesOf(place);
    const lease = leases.get(replica) ?? new Unused();
    leases.set(replica, lease);
    return lease;
  }
}

/** How far the limit is used before something happens to some requests, in percent. */
function lowestOf({ thresholds }: Limit): number {
  return thresholds.reduce((lowest, { action, percent }) => {
    return action === "notify" ? lowest : Math.min(lowest, percent);
  }, 100);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function positive(amount: bigint): bigint {
  return amount > 0n ? amount : 0n;
}
