import type { Accounts, Hold } from "../budget/accounts.ts";
import type { Calendar } from "../budget/calendar.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce, LimitTree } from "../budget/limit-tree.ts";
import { type LimitRow, partOf } from "../budget/limits.ts";
import type {
  LeaseAnswered,
  LeaseNews,
  LeaseRecalled,
  SliceClosing,
  SliceComing,
  SliceSettled,
  SlicesKnown,
} from "../events.ts";
import { type Micros, seconds } from "../units.ts";
import type { KnownSlices } from "./known-slices.ts";
import type { LeaseOrder } from "./lease.ts";
import { placeOf, LeasedPlaces } from "./leased-places.ts";
import { startOf, Unused } from "./unused.ts";

/** For so long the word that there is no more of a limit is believed; then it is asked for again. */
const BELIEVED_US = seconds(0.05);
/** For so long after a recall nothing is kept that is not used. */
const TIGHT_US = seconds(1);
/** So old may be what is told of a limit that is used: then the desk is asked how it stands. */
const NEWS_US = seconds(1);
/** Instances of a limit that are known of, the latest. */
const INSTANCES_MAX = 4;
/** So many times what is needed is asked for beside it, so that not every request has to ask. */
const SURPLUS = 32n;
/** Where less than so many times what the last request took is left, more is asked for before that is short. */
const AHEAD = 8n;

/** What a replica knows of one instance of a limit. */
interface Instance {
  /** Of the limit, by all, as of the last answer: posted, held, and held or leased. */
  posted: bigint;
  held: bigint;
  reserved: bigint;
  /** What this replica had taken by then, as far as the desk knew; null as long as there was no answer. */
  takenBefore: bigint | null;
  /** From then on the desk is asked how the limit stands; Infinity while an answer is on its way. */
  newsUs: Micros;
  /** Until then there is no more to be had for requests that may use the limit so far, or less far. */
  allUntilUs: Micros;
  allPercent: number;
  /** Until then nothing is asked for ahead: there was nothing. */
  noneAheadUntilUs: Micros;
  /** Until then others have need of what is not used. */
  tightUntilUs: Micros;
  /** Under way, by its number. */
  ask: number | null;
}

/** A limit, and what this replica has leased of it. */
interface HeldLease {
  readonly inForce: LimitInForce;
  readonly unused: Unused;
  readonly instances: Map<Micros, Instance>;
}

/** What is left of a lease for a charge, and what is known of the limit. */
export interface LeaseView {
  unused: bigint;
  posted: bigint;
  reserved: bigint;
  /** Nobody has more to give. */
  isAll: boolean;
}

/** What is used of a limit by all: posted, and besides that held. */
export interface Used {
  posted: bigint;
  held: bigint;
}

/** What is to be had of a limit. */
export interface Wish {
  inForce: LimitInForce;
  /** How far the limit may be used: as an amount, and in percent. */
  amount: bigint;
  percent: number;
  needed: bigint;
  least: bigint;
}

/** What is asked for of one place. */
interface Asked {
  lease: HeldLease;
  startUs: Micros;
  needed: bigint;
  least: bigint;
  surplus: bigint;
  percent: number;
}

/** One instance of a limit. */
type Instanced = Pick<Asked, "lease" | "startUs">;

/** Under way. */
interface SentAsk {
  readonly asked: readonly Asked[];
  readonly news: readonly Instanced[];
}

interface Wanted extends Asked {
  /** What of its lease that request may use, and whether that is too little. */
  usable: bigint;
  isShort: boolean;
  /** It is known that there is no more. */
  isAll: boolean;
}

/**
 * What one of several supervisors has leased of the limits on its requests' paths.
 *
 * ```
 *                ask            answer
 *   short ──────────────▶ asked ───────▶ enough ──entries──▶ short
 *     ▲                     │               │
 *     │ after 50 ms         │ no more       │ recall: all that is not used is given back, and for a second
 *     └──────── refused ◀───┘               ▼ whatever comes free
 *                                         tight
 * ```
 */
export class HeldLeases {
  readonly #places: LeasedPlaces;
  readonly #calendar: Calendar;
  /** Of limits that are in force and slices that are open, from the first ask on. */
  readonly #leases = new WeakMap<LimitInForce, HeldLease>();
  /** Under way, by number. */
  readonly #asks = new Map<number, SentAsk>();
  #orders: LeaseOrder[] = [];
  #lastAsk = 0;

  constructor(slices: SlicesKnown, parts: { limits: LimitTree; accounts: Accounts }) {
    this.#places = new LeasedPlaces(slices, parts);
    this.#calendar = parts.accounts.calendar;
  }

  get slices(): KnownSlices {
    return this.#places.slices;
  }

  /** What is to be told to the desk, behind the entries until now. */
  takeOrders(): LeaseOrder[] {
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }

  /**
   * These limits are others now: what was leased of them is not any more, and an answer under way is not for them. `holds` are
   * those that are open.
   */
  opened(rows: readonly LimitRow[], holds: ReadonlyMap<string, Hold>): void {
    for (const { account, unit, window } of rows) {
      this.#orders.push({ kind: "open", account, unit, window });
      const inForce = this.#places.find({ account, unit, window });
      if (inForce === null) continue;
      const unused = this.#places.openedAt(inForce, holds.values());
      this.#leases.set(inForce, { inForce, unused, instances: new Map() });
    }
  }

  /** Until it is told more, nothing there takes anything. */
  sliceComing({ opening, account }: SliceComing): void {
    this.slices.expect({ opening, account });
    this.#orders.push({ kind: "slice_awaited", opening });
  }

  /** Returns the account of the slice, or of what is none. */
  sliceSettled({ opening, slice }: SliceSettled): string {
    return this.slices.settled(opening, slice);
  }

  /** What was leased of it, and of those inside it, is not any more. */
  sliceClosing({ closing, account }: SliceClosing): void {
    for (const slice of this.slices.close(account)) {
      for (const place of slice.places) this.#leases.delete(place);
    }
    this.#orders.push({ kind: "slice_left", closing, account });
  }

  /** For requests that may use the limit so far. */
  view(inForce: LimitInForce, percent: number, atUs: Micros): LeaseView {
    const lease = this.#leases.get(inForce);
    if (lease === undefined) return { unused: 0n, posted: 0n, reserved: 0n, isAll: false };
    const startUs = startOf(inForce.limit, this.#calendar, atUs);
    const instance = instanceOf(lease, startUs);
    const { posted, reserved } = instance;
    return {
      unused: lease.unused.at(startUs),
      posted,
      reserved,
      isAll: isKnownToBeAll(instance, percent, atUs),
    };
  }

  /** What is used of the limit or slice, as the desk knew it at the last answer, and by this replica since; null where it was never told. */
  used(inForce: LimitInForce, atUs: Micros): Used | null {
    const lease = this.#leases.get(inForce);
    if (lease === undefined) return null;
    const startUs = startOf(inForce.limit, this.#calendar, atUs);
    const { posted, held, takenBefore } = instanceOf(lease, startUs);
    return takenBefore === null ? null : { posted, held: held + lease.unused.takenAt(startUs) - takenBefore };
  }

  /** Asks how limits and slices on the path stand, where that was not told for a while. */
  askNews(path: readonly LimitInForce[], atUs: Micros): void {
    const old = this.#instancesOf(path, atUs).filter(({ lease, startUs }) => {
      return atUs >= instanceOf(lease, startUs).newsUs;
    });
    if (old.length > 0) this.#send([], old);
  }

  /**
   * Asks for all of it, if anything is lacking that may be had, and nothing that may not; and how all that is on the path stands.
   * Returns an account of which an answer is on its way, asked for now or before; null for none.
   */
  ask(
    wishes: readonly Wish[],
    { path, atUs }: { path: readonly LimitInForce[]; atUs: Micros },
  ): string | null {
    const wanted = wishes.filter(({ needed }) => needed > 0n).map((wish) => this.#want(wish, atUs));
    const isWorthAsking = wanted.some(({ isShort, isAll }) => isShort && !isAll);
    const isVain = wanted.some(({ least, usable, isAll }) => isAll && least > usable);
    if (!isWorthAsking || isVain) return null;
    const underWay = wanted.find(({ lease, startUs }) => instanceOf(lease, startUs).ask !== null);
    if (underWay !== undefined) return underWay.lease.inForce.account.name;
    for (const { lease, startUs, percent, isShort } of wanted) {
      // What it has may be beyond the threshold: so it asks for all of what it needs.
      if (isShort && percent < 100) this.#give(lease, startUs, null);
    }
    const others = path.filter((inForce) => wanted.every(({ lease }) => lease.inForce !== inForce));
    this.#send(wanted, this.#instancesOf(others, atUs));
    return wanted[0]!.lease.inForce.account.name;
  }

  /** Returns accounts whose limits it was about; none where nobody waits for it any more. */
  answered({ ask, grants, news }: LeaseAnswered, nowUs: Micros): string[] {
    const sent = this.#asks.get(ask)!;
    this.#asks.delete(ask);
    for (const [i, told] of sent.news.entries()) if (this.#isInForce(told)) learn(told, news[i]!, nowUs);
    for (const [i, each] of sent.asked.entries()) {
      if (!this.#isInForce(each)) continue;
      const { lease, startUs, percent } = each;
      const { granted, isAll } = grants[i]!;
      lease.unused.add(startUs, BigInt(granted));
      learn(each, grants[i]!, nowUs);
      const instance = instanceOf(lease, startUs);
      instance.ask = null;
      if (isAll) instance.allUntilUs = nowUs + BELIEVED_US;
      // Where there is more for those who may use the limit further, there is none for the others yet.
      if (isAll || percent <= instance.allPercent) instance.allPercent = isAll ? percent : 0;
      if (granted === "0") instance.noneAheadUntilUs = nowUs + BELIEVED_US;
    }
    return sent.asked.map(({ lease }) => lease.inForce.account.name);
  }

  /** Gives back what is not used, and goes on doing so for a while. */
  recalled({ recall, account, unit, window, startUs }: LeaseRecalled, nowUs: Micros): void {
    const place = { account, unit, window, startUs };
    const inForce = this.#places.find(place);
    const lease = inForce === null ? undefined : this.#leases.get(inForce);
    if (lease === undefined) {
      this.#orders.push({ kind: "give", ...place, amount: "0", recall });
      return;
    }
    instanceOf(lease, startUs).tightUntilUs = nowUs + TIGHT_US;
    this.#give(lease, startUs, recall);
  }

  /** Counts an entry that was just made; `hold` is what was open before it. */
  count(entry: LedgerEntry, hold: Hold | undefined): void {
    const { atUs } = entry;
    this.#places.count(entry, hold, (inForce, { startUs, amount }) => {
      const lease = this.#leases.get(inForce);
      if (lease === undefined) return;
      lease.unused.take(startUs, amount);
      if (amount > 0n) this.#askAhead(lease, startUs, { amount, atUs });
      else if (atUs < instanceOf(lease, startUs).tightUntilUs) this.#give(lease, startUs, null);
    });
  }

  #want({ inForce, amount, percent, ...wish }: Wish, atUs: Micros): Wanted {
    // Nobody has more than that to give.
    const needed = wish.needed < amount ? wish.needed : amount;
    const lease = this.#leaseOf(inForce);
    const startUs = startOf(inForce.limit, this.#calendar, atUs);
    const instance = instanceOf(lease, startUs);
    // What was leased for others may lie beyond a threshold.
    const usable = isUnderThreshold(inForce, instance, percent) ? lease.unused.at(startUs) : 0n;
    const isAll = isKnownToBeAll(instance, percent, atUs);
    const surplus = atUs < instance.tightUntilUs ? 0n : needed * SURPLUS;
    return {
      lease,
      startUs,
      needed,
      least: wish.least,
      surplus,
      percent,
      usable,
      isShort: needed > usable,
      isAll,
    };
  }

  /** So that the next request need not wait: where there is plenty for all, and nobody has to give anything back for it. */
  #askAhead(lease: HeldLease, startUs: Micros, { amount, atUs }: { amount: bigint; atUs: Micros }): void {
    const { ask, tightUntilUs, allUntilUs, noneAheadUntilUs } = instanceOf(lease, startUs);
    if (ask !== null || atUs < tightUntilUs || atUs < allUntilUs || atUs < noneAheadUntilUs) return;
    if (lease.unused.at(startUs) >= amount * AHEAD) return;
    const toCome = { lease, startUs, needed: 0n, least: 0n, surplus: amount * SURPLUS, percent: 100 };
    this.#send([toCome], []);
  }

  #instancesOf(path: readonly LimitInForce[], atUs: Micros): Instanced[] {
    return path.map((inForce) => {
      return { lease: this.#leaseOf(inForce), startUs: startOf(inForce.limit, this.#calendar, atUs) };
    });
  }

  #send(asked: readonly Asked[], news: readonly Instanced[]): void {
    const ask = ++this.#lastAsk;
    this.#asks.set(ask, { asked, news });
    for (const { lease, startUs } of [...asked, ...news]) {
      // From here on both sides count what is used of it.
      this.#leases.set(lease.inForce, lease);
      instanceOf(lease, startUs).newsUs = Infinity;
    }
    const places = asked.map(({ lease, startUs, percent, ...amounts }) => {
      instanceOf(lease, startUs).ask = ask;
      const [needed, least, surplus] = [amounts.needed, amounts.least, amounts.surplus].map(String);
      return {
        ...placeOf(lease.inForce),
        startUs,
        needed: needed!,
        least: least!,
        surplus: surplus!,
        percent,
      };
    });
    const told = news.map(({ lease, startUs }) => ({ ...placeOf(lease.inForce), startUs }));
    this.#orders.push({ kind: "ask", ask, places, news: told });
  }

  /** Whether it is the limit still that was asked about, or the slice. */
  #isInForce({ lease: { inForce } }: Instanced): boolean {
    return this.#places.find(placeOf(inForce)) === inForce;
  }

  #give(lease: HeldLease, startUs: Micros, recall: number | null): void {
    const unused = lease.unused.at(startUs);
    const amount = unused > 0n ? unused : 0n;
    if (amount === 0n && recall === null) return;
    lease.unused.add(startUs, -amount);
    instanceOf(lease, startUs).reserved -= amount;
    this.#orders.push({ kind: "give", ...placeOf(lease.inForce), startUs, amount: `${amount}`, recall });
  }

  /** A lease that is new is none before something is asked. */
  #leaseOf(inForce: LimitInForce): HeldLease {
    return this.#leases.get(inForce) ?? { inForce, unused: new Unused(), instances: new Map() };
  }
}

function learn(
  { lease, startUs }: Instanced,
  { posted, held, reserved, taken }: LeaseNews,
  nowUs: Micros,
): void {
  const instance = instanceOf(lease, startUs);
  instance.posted = BigInt(posted);
  instance.held = BigInt(held);
  instance.reserved = BigInt(reserved);
  instance.takenBefore = BigInt(taken);
  instance.newsUs = nowUs + NEWS_US;
}

/** Whether the limit, as far as is known, is used no further than a threshold allows: then what is leased of it may be used up. */
export function isUnderThreshold(
  { limit }: LimitInForce,
  { posted, reserved }: Pick<LeaseView, "posted" | "reserved">,
  percent: number,
): boolean {
  return percent === 100 || posted + reserved <= partOf(limit.amount, percent);
}

function instanceOf({ instances }: HeldLease, startUs: Micros): Instance {
  let instance = instances.get(startUs);
  if (instance === undefined) {
    instance = {
      posted: 0n,
      held: 0n,
      reserved: 0n,
      takenBefore: null,
      newsUs: 0,
      allUntilUs: 0,
      allPercent: 0,
      noneAheadUntilUs: 0,
      tightUntilUs: 0,
      ask: null,
    };
    instances.set(startUs, instance);
    if (instances.size > INSTANCES_MAX) instances.delete(Math.min(...instances.keys()));
  }
  return instance;
}

function isKnownToBeAll({ allUntilUs, allPercent }: Instance, percent: number, atUs: Micros): boolean {
  return atUs < allUntilUs && percent <= allPercent;
}
