import type { Hold } from "../budget/accounts.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce } from "../budget/limit-tree.ts";
import type { LimitedAccounts } from "../budget/limited-accounts.ts";
import { type LimitRow, partOf } from "../budget/limits.ts";
import type { Micros } from "../units.ts";
import { type AskedPlace, LEASE_SKEW_US, type LeasePlace } from "./lease.ts";
import { openedAt, startOf, takenBy, Unused, usesOf } from "./unused.ts";

type LimitName = Pick<LimitRow, "account" | "unit" | "window">;

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

/** What every replica has leased of every limit, beside what is posted and held under it. */
export class LeaseBook {
  readonly #books: LimitedAccounts;
  /** By limit, then by replica. */
  readonly #leases = new Map<string, Map<string, Unused>>();

  constructor(books: LimitedAccounts) {
    this.#books = books;
  }

  /** The replica's lease of the limit begins anew: with these holds of its own open, or, where there is no such limit, not at all. */
  open(replica: string, name: LimitName, holds: Iterable<Hold>): void {
    const inForce = this.#books.limits.find(name);
    const leases = this.#leasesOf(name);
    if (inForce === null) leases.delete(replica);
    else leases.set(replica, openedAt(inForce, { holds, calendar: this.#books.accounts.calendar }));
    if (leases.size === 0) this.#leases.delete(nameOf(name));
  }

  /** All that the replica's leases had left is nobody's. */
  drop(replica: string): void {
    for (const leases of this.#leases.values()) leases.delete(replica);
  }

  /** From here on, what the replica's entries use there is counted. */
  begin(replica: string, place: LeasePlace): void {
    this.#lease(replica, place);
  }

  /** So much more is set aside for the replica, or less. */
  add(replica: string, place: LeasePlace, amount: bigint): void {
    this.#lease(replica, place).add(place.startUs, amount);
  }

  /** Takes what the entry uses from the replica's leases; `hold` is what was open before it. */
  count(replica: string, entry: LedgerEntry, hold: Hold | undefined): void {
    const { calendar } = this.#books.accounts;
    const taken = takenBy(entry, hold);
    this.#books.limits.eachUpwards(entry.account, (inForce) => {
      const { limit, account } = inForce;
      const unused = this.#leases.get(nameOf({ ...limit, account: account.name }))?.get(replica);
      if (unused === undefined) return;
      for (const { startUs, amount } of usesOf(inForce, { taken, calendar })) unused.add(startUs, -amount);
    });
  }

  /** Replicas that have something left there, but for that one. */
  othersWithRest(replica: string, { startUs, ...name }: LeasePlace): string[] {
    const leases = this.#leases.get(nameOf(name)) ?? new Map<string, Unused>();
    return [...leases].flatMap(([other, unused]) =>
      other !== replica && unused.at(startUs) > 0n ? [other] : [],
    );
  }

  /** Of the limit, by all: posted, and besides that held or leased. */
  standing(place: LeasePlace): { posted: bigint; reserved: bigint } {
    const inForce = this.#books.limits.find(place);
    if (inForce === null) return { posted: 0n, reserved: 0n };
    const { posted } = this.#books.usage(inForce, this.#instantOf(inForce, place));
    return { posted, reserved: this.#used(inForce, place) - posted };
  }

  /** `sharers` are as many replicas as there are. */
  room(replica: string, place: AskedPlace, { nowUs, sharers }: { nowUs: Micros; sharers: number }): Room {
    const left = this.#leases.get(nameOf(place))?.get(replica)?.at(place.startUs) ?? 0n;
    const rest = positive(left);
    const short = positive(BigInt(place.needed) - rest);
    const least = positive(BigInt(place.least) - rest);
    const debt = positive(-left);
    const inForce = this.#books.limits.find(place);
    // The replica will be told, or has been told already, that the limit is gone.
    if (inForce === null) return { free: short, short, least, debt, surplus: 0n };
    const { amount } = inForce.limit;
    const used = this.#isOver(inForce, place, nowUs) ? amount : this.#used(inForce, place);
    const free = positive(partOf(amount, place.percent) - used);
    // Not beyond a threshold, and not so much that nothing is left for the others.
    const plenty = positive(partOf(amount, lowestOf(inForce)) - used - short);
    const share = plenty / BigInt(2 * sharers);
    const surplus = place.percent < 100 ? 0n : smaller(share, BigInt(place.surplus));
    return { free, short, least, debt, surplus };
  }

  /** Posted, held, and what leases have left. */
  #used(inForce: LimitInForce, { startUs, ...name }: LeasePlace): bigint {
    const { posted, held } = this.#books.usage(inForce, this.#instantOf(inForce, { startUs }));
    let used = posted + held;
    for (const unused of this.#leases.get(nameOf(name))?.values() ?? []) used += positive(unused.at(startUs));
    return used;
  }

  /** One that counts in the instance. */
  #instantOf({ limit }: LimitInForce, { startUs }: { startUs: Micros }): Micros {
    const nowUs = this.#books.clock(0);
    return startOf(limit, this.#books.accounts.calendar, nowUs) === 0 ? nowUs : startUs;
  }

  /** Whether the instance is long over: what was used in it may be forgotten. */
  #isOver({ limit }: LimitInForce, { startUs }: LeasePlace, nowUs: Micros): boolean {
    const beforeUs = this.#books.clock(nowUs) - LEASE_SKEW_US;
    return startUs < startOf(limit, this.#books.accounts.calendar, beforeUs);
  }

  #leasesOf(name: LimitName): Map<string, Unused> {
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

export function nameOf({ account, unit, window }: LimitName): string {
  return `${unit} ${window} ${account}`;
}

/** How far the limit is used before something happens to some requests, in percent. */
function lowestOf({ limit }: LimitInForce): number {
  return limit.thresholds.reduce((lowest, { action, percent }) => {
    return action === "notify" ? lowest : Math.min(lowest, percent);
  }, 100);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function positive(amount: bigint): bigint {
  return amount > 0n ? amount : 0n;
}
