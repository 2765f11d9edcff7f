import { RateLimits } from "../admission/rate-limits.ts";
import { assert } from "../assert.ts";
import { type DoubtfulPost, doubtOf, EMPTY_LEDGER, type Hold, type LedgerState } from "../budget/accounts.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import { type Known, LimitedAccounts } from "../budget/limited-accounts.ts";
import type { LimitRow } from "../budget/limits.ts";
import { SLICE_PARTS } from "../budget/slice.ts";
import { ChurnSet } from "../churn.ts";
import type { AdmissionConfig, CoreConfig } from "../config.ts";
import type { LeaseNews, LedgerRestored, SupervisorEvent } from "../events.ts";
import { type Micros, seconds } from "../units.ts";
import { AskLine, type WaitingAsk } from "./ask-line.ts";
import { LeaseBook, type Room } from "./lease-book.ts";
import {
  LEASE_SKEW_US,
  type LeaseAsk,
  type LeaseGive,
  type LeaseOpen,
  type LeaseOrder,
  type LeasePlace,
  type SliceLeft,
} from "./lease.ts";
import { nameOf, type PlaceName, placeOf, LeasedPlaces } from "./leased-places.ts";
import { SliceDesk } from "./slice-desk.ts";

const NO_RATES = { rates: {}, payerRates: {} };
const NO_SLICES: CoreConfig["slices"] = { openMax: 0, perPayerMax: 0, depthMax: 0, ttlMaxUs: 0 };
/** Who asks for slices that are to be opened: no replica. */
const DESK = "";
/** Of a limit that is gone, as the replica has been told. */
const NOTHING_USED = { posted: 0n, held: 0n, reserved: 0n };
/** So long others may take to give back what they don't use. */
const RECALL_US = seconds(0.25);

interface Replica {
  readonly name: string;
  /** Open ones. */
  readonly holds: ChurnSet<string>;
  /** Entries that are not durable yet: their numbers, and how far the journal has to be durable for them. */
  readonly pending: { sequence: number; position: number }[];
  /** What it may lease something of, as it knows it where its line is read. */
  readonly places: LeasedPlaces;
}

export interface LeaseDeskOptions {
  /** What the ledger holds: open holds in it are nobody's any more. */
  state: LedgerState;
  limits: readonly LimitRow[];
  /** Of requests; none if absent. */
  rates?: Pick<AdmissionConfig, "rates" | "payerRates">;
  /** How many slices may be opened; none if absent. */
  slices?: CoreConfig["slices"];
  /** Tells a replica; called within the methods below. */
  tell: (replica: string, event: SupervisorEvent) => void;
}

/**
 * Shares every limit among replicas of a supervisor, and puts what they append in one order.
 *
 * Invariant: for each instance of each limit, posted + held + what leases have left ≤ the amount in force when the last of
 * them was granted; an overage takes it higher, by what is recorded, and so does a limit that is lowered. What leases have
 * left of a slice, all together, nobody has drawn of it.
 */
export class LeaseDesk {
  readonly #books: LimitedAccounts;
  readonly #tell: LeaseDeskOptions["tell"];
  readonly #rates: RateLimits;
  readonly #rows = new Map<string, LimitRow>();
  readonly #replicas = new Map<string, Replica>();
  readonly #leases: LeaseBook;
  readonly #line = new AskLine();
  readonly #slices: SliceDesk;
  /** To be written, in order. */
  #entries: LedgerEntry[] = [];
  /** Replicas that have left a recall unanswered, and were not heard of since. */
  readonly #deaf = new Set<string>();
  #lastRecall = 0;

  constructor({ state, limits, rates = NO_RATES, slices = NO_SLICES, tell }: LeaseDeskOptions) {
    this.#rates = new RateLimits(rates);
    this.#books = new LimitedAccounts(state, { keptUs: LEASE_SKEW_US });
    this.#leases = new LeaseBook(this.#books);
    this.#tell = tell;
    this.#setLimits(limits, { zones: state.zones, used: [], through: state.sequence });
    this.#slices = new SliceDesk({
      books: this.#books,
      leases: this.#leases,
      limits: slices,
      replicas: () => this.#replicas.keys(),
      tell,
      opened: (name, slice) => this.#replica(name).places.slices.opened(slice),
      append: (step) => this.#append(step),
      ask: (ask, places, nowUs) => this.#ask(DESK, { kind: "ask", ask, places, news: [] }, nowUs),
      freed: (nowUs) => this.#serve(null, nowUs),
    });
  }

  /** What is to be written behind what was taken before. */
  takeEntries(): LedgerEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** Of all replicas; slices are nobody's. */
  get openHolds(): number {
    const { holds, slices } = this.#books.accounts;
    return holds.size - slices.size;
  }

  /** The ledger's clock, which replicas follow: it does not go back. */
  clock(nowUs: Micros): Micros {
    return this.#books.clock(nowUs);
  }

  /**
   * Once, before anybody joins: what those before have left open is posted in doubt, but for slices, which go on. Returns
   * the posts.
   */
  begin(nowUs: Micros): LedgerEntry[] {
    const { holds } = this.#books.accounts;
    const packets = [...holds.values()].filter(({ amounts }) => amounts === undefined);
    return packets.map((hold) => this.#postInDoubt(hold, nowUs));
  }

  /** A new life of a replica, which is what it starts from. A name is never used again. */
  join(name: string, nowUs: Micros): LedgerRestored {
    assert(!this.#replicas.has(name), `${name} joins once`);
    const slices = this.#slices.known();
    const places = new LeasedPlaces({ ...slices, coming: [] }, this.#books);
    this.#replicas.set(name, { name, holds: new ChurnSet(), pending: [], places });
    const { zones, inDoubt } = this.#books.accounts;
    const clockUs = this.#books.clock(nowUs);
    const state = { ...EMPTY_LEDGER, clockUs, zones, inDoubt: [...inDoubt.values()] };
    return { kind: "ledger_restored", state, limits: [...this.#rows.values()], isReplica: true, slices };
  }

  /** The entry as it is written; null for one that changes nothing, because another replica was first. */
  append(name: string, { sequence, ...entry }: LedgerEntry): LedgerEntry | null {
    const { holds, inDoubt } = this.#books.accounts;
    const replica = this.#replica(name);
    if (entry.operation === "adjust" && !inDoubt.has(entry.hold)) {
      replica.pending.push({ sequence, position: this.#books.accounts.sequence });
      return null;
    }
    const hold = holds.get(entry.hold);
    if (entry.operation === "reserve" || entry.operation === "extend") this.#assertLeft(replica, entry);
    const appended = this.#append(entry);
    this.#books.clock(entry.atUs);
    replica.pending.push({ sequence, position: appended.sequence });
    if (entry.operation === "reserve") replica.holds.add(entry.hold);
    if (entry.operation === "post" || entry.operation === "void") replica.holds.delete(entry.hold);
    this.#leases.count(name, replica.places, { entry: appended, hold });
    return appended;
  }

  order(name: string, order: LeaseOrder, nowUs: Micros): void {
    this.#deaf.delete(name);
    this.#follow(name, order, nowUs);
    this.#slices.go(nowUs);
  }

  #follow(name: string, order: LeaseOrder, nowUs: Micros): void {
    switch (order.kind) {
      case "open":
        return this.#open(name, order, nowUs);
      case "ask":
        return this.#ask(name, order, nowUs);
      case "give":
        return this.#give(name, order, nowUs);
      case "turn": {
        const shortage = this.#rates.take(order, this.#books.clock(nowUs));
        return this.#tell(name, { kind: "turn_given", request: order.request, shortage });
      }
      case "slice":
        return this.#slices.asked(name, order);
      case "slice_awaited":
        return this.#slices.awaited(name, order.opening);
      case "slice_left":
        return this.#leaveSlice(name, order);
    }
  }

  /** Limits have changed. What is leased of them stays so until each replica says that it knows. */
  setLimits(limits: readonly LimitRow[], known: Known): void {
    this.#setLimits(limits, known);
    const told: SupervisorEvent = {
      kind: "limits_changed",
      limits: [...limits],
      known: { zones: known.zones, used: [], through: 0 },
    };
    for (const name of this.#replicas.keys()) this.#tell(name, told);
  }

  /** Other rates from now on. */
  setRates(rates: Pick<AdmissionConfig, "rates" | "payerRates">): void {
    this.#rates.reconfigure(rates);
  }

  /** The journal is durable up to that position. */
  durable(through: number): void {
    this.#books.durable(through);
    this.#slices.durable(through);
    for (const { name, pending } of this.#replicas.values()) {
      const count = pending.findIndex(({ position }) => position > through);
      const done = pending.splice(0, count < 0 ? pending.length : count);
      const last = done.at(-1);
      if (last !== undefined) this.#tell(name, { kind: "ledger_durable", through: last.sequence });
    }
  }

  /** It has ended: what its leases had left is not leased any more, and what it held is posted in doubt. Returns the posts. */
  leave(name: string, nowUs: Micros): LedgerEntry[] {
    const replica = this.#replica(name);
    this.#replicas.delete(name);
    this.#deaf.delete(name);
    this.#leases.drop(name);
    const { holds, inDoubt } = this.#books.accounts;
    const entries = Array.from(replica.holds, (id) => this.#postInDoubt(holds.get(id)!, nowUs));
    const [heir] = this.#replicas.keys();
    if (heir !== undefined && entries.length > 0) {
      const posts = entries.map(({ hold }): DoubtfulPost => inDoubt.get(hold)!);
      this.#tell(heir, { kind: "doubts_left", posts });
    }
    this.#line.take((waiting) => waiting.replica === name);
    for (const { recalls } of this.#line) for (const unheard of recalls.values()) unheard.delete(name);
    this.#serve(null, nowUs);
    this.#slices.gone(name);
    this.#slices.go(nowUs);
    return entries;
  }

  /**
   * Answers asks for which others have not given back in time, and closes slices whose time is over. Returns when it has to
   * be called next; null for never.
   */
  tick(nowUs: Micros): Micros | null {
    const { dueUs } = this.#line;
    if (dueUs !== null && nowUs >= dueUs) this.#serve(null, nowUs);
    this.#slices.go(nowUs);
    const nextUs = Math.min(this.#line.dueUs ?? Infinity, this.#slices.dueUs(nowUs) ?? Infinity);
    return nextUs === Infinity ? null : nextUs;
  }

  #setLimits(limits: readonly LimitRow[], known: Known): void {
    this.#books.setLimits(limits, known);
    for (const row of limits) {
      if (row.amount === null) this.#rows.delete(nameOf(row));
      else this.#rows.set(nameOf(row), row);
    }
  }

  #open(name: string, order: LeaseOpen, nowUs: Micros): void {
    this.#endAsks(name, order);
    const { holds } = this.#books.accounts;
    const replica = this.#replica(name);
    const own = Array.from(replica.holds, (id) => holds.get(id)!);
    this.#leases.open(name, order, { places: replica.places, holds: own });
    this.#serve(null, nowUs);
  }

  /** It takes nothing more from the slice, nor from those inside it. */
  #leaveSlice(name: string, { closing, account }: SliceLeft): void {
    for (const { places } of this.#replica(name).places.slices.close(account)) {
      for (const place of places.map(placeOf)) {
        this.#endAsks(name, place);
        this.#leases.end(name, place);
      }
    }
    this.#slices.left(name, closing);
  }

  /** What it has asked for of a limit that is another one for it now would not reach its lease. */
  #endAsks(name: string, ended: PlaceName): void {
    const isOfIt = ({ replica, ask }: WaitingAsk): boolean =>
      replica === name && ask.places.some((place) => nameOf(place) === nameOf(ended));
    for (const waiting of this.#line.take(isOfIt)) this.#refuse(waiting, { isAll: false });
  }

  #give(name: string, { amount, recall, startUs, ...place }: LeaseGive, nowUs: Micros): void {
    // With nothing to give it may have no lease there any more.
    if (amount !== "0") this.#leases.add(name, { ...place, startUs }, -BigInt(amount));
    if (recall !== null) for (const { recalls } of this.#line) recalls.get(recall)?.delete(name);
    this.#serve(keyOf({ ...place, startUs }), nowUs);
  }

  #ask(replica: string, ask: LeaseAsk, nowUs: Micros): void {
    // From here on both sides count what the replica's entries use of it.
    if (replica !== DESK)
      for (const place of [...ask.places, ...ask.news]) this.#leases.begin(replica, place);
    const keys = ask.places.map(keyOf);
    const waiting: WaitingAsk = {
      replica,
      ask,
      keys,
      shortOf: new Set(keys),
      recalls: new Map(),
      recalled: new Set(),
      dueUs: nowUs + RECALL_US,
    };
    if (keys.length === 0 && replica !== DESK) return this.#answer(waiting, []);
    const isToCome = ask.places.every(({ needed }) => needed === "0");
    // Nobody waits for what he does not need yet, and it is not for him while others wait.
    if (isToCome && this.#line.isAwaited(keys)) return this.#refuse(waiting, { isAll: false });
    if (this.#line.isFull && replica !== DESK) return this.#refuse(waiting, { isAll: true });
    this.#line.add(waiting);
    this.#serve(keys[0] ?? null, nowUs);
  }

  /** Answers those that wait, in order: with what they need, or, when nobody has more to give, with what there is. */
  #serve(touched: string | null, nowUs: Micros): void {
    this.#line.serve({ touched, nowUs }, (waiting) => this.#look(waiting, nowUs));
  }

  /** Answers the ask with all it needs, or, at last, with what there is; until then returns the places that are short. */
  #look(waiting: WaitingAsk, nowUs: Micros): ReadonlySet<string> | null {
    const { replica, ask, keys, recalls, dueUs } = waiting;
    // A slice may still be opened when all are gone.
    const sharers = Math.max(1, this.#replicas.size);
    const rooms = ask.places.map((place) => this.#leases.room(replica, place, { nowUs, sharers }));
    const isEnough = rooms.every(({ free, short }) => free >= short);
    if (!isEnough) this.#recall(waiting, rooms);
    const unheard = [...recalls.values()].flatMap((names) => [...names]);
    if (!isEnough && unheard.length > 0) {
      if (nowUs < dueUs) return new Set(keys.filter((_, i) => rooms[i]!.free < rooms[i]!.short));
      for (const name of unheard) this.#deaf.add(name);
    }
    // Without what is least of each limit the others are of no use.
    const isUseful = rooms.every(({ free, least }) => free >= least);
    if (replica === DESK) {
      this.#slices.answered(ask.ask, { isEnough, nowUs });
      return null;
    }
    const hasWaited = recalls.size > 0;
    this.#answer(
      waiting,
      rooms.map(({ free, short, debt, surplus }) => {
        const isAll = free < short;
        const granted = !isUseful ? 0n : isAll ? free : short + (hasWaited ? 0n : surplus);
        // What it had used beyond its lease is used in any case.
        return { granted: granted > 0n ? granted + debt : 0n, isAll };
      }),
    );
    return null;
  }

  /** Asks the others for what they don't use of places that are short, each once for every ask. */
  #recall({ replica, ask, recalls, recalled }: WaitingAsk, rooms: readonly Room[]): void {
    for (const [i, place] of ask.places.entries()) {
      const { free, short } = rooms[i]!;
      if (free >= short || recalled.has(place)) continue;
      // Who did not answer the last time is not waited for until it is heard of again.
      const others = this.#leases.othersWithRest(replica, place).filter((name) => !this.#deaf.has(name));
      if (others.length === 0) continue;
      recalled.add(place);
      const recall = ++this.#lastRecall;
      recalls.set(recall, new Set(others));
      const { account, unit, window, startUs } = place;
      for (const name of others) {
        this.#tell(name, { kind: "lease_recalled", account, unit, window, startUs, recall });
      }
    }
  }

  #refuse(waiting: WaitingAsk, { isAll }: { isAll: boolean }): void {
    this.#answer(
      waiting,
      waiting.ask.places.map(() => ({ granted: 0n, isAll })),
    );
  }

  #answer(
    { replica, ask: { ask, places, news } }: WaitingAsk,
    grants: readonly { granted: bigint; isAll: boolean }[],
  ): void {
    this.#tell(replica, {
      kind: "lease_answered",
      ask,
      grants: places.map((place, i) => {
        const { granted, isAll } = grants[i]!;
        this.#leases.add(replica, place, granted);
        return { granted: `${granted}`, isAll, ...this.#newsFor(replica, place) };
      }),
      news: news.map((place) => this.#newsFor(replica, place)),
      ledgerUs: this.#books.clock(0),
    });
  }

  #newsFor(replica: string, place: LeasePlace): LeaseNews {
    const { posted, held, reserved } = this.#leases.standing(place) ?? NOTHING_USED;
    const taken = this.#leases.takenBy(replica, place);
    return { posted: `${posted}`, held: `${held}`, reserved: `${reserved}`, taken: `${taken}` };
  }

  #postInDoubt(hold: Hold, nowUs: Micros): LedgerEntry {
    const { id, account, model, charge, parts } = hold;
    return this.#append({
      operation: "post",
      hold: id,
      account,
      model,
      charge,
      atUs: this.#books.clock(nowUs),
      heldAtUs: parts[0]!.atUs,
      ...doubtOf(hold),
    });
  }

  #append(step: Parameters<LimitedAccounts["append"]>[0]): LedgerEntry {
    const entry = this.#books.append(step);
    this.#entries.push(entry);
    return entry;
  }

  /** What is drawn comes out of the slices that the replica takes it from, and they have so much left. */
  #assertLeft({ name, places }: Replica, { account, charge }: Omit<LedgerEntry, "sequence">): void {
    const cover = this.#books.accounts.slices.coverOf(account);
    const known = places.slices.coverOf(account);
    for (const part of SLICE_PARTS) {
      const slice = cover?.[part] ?? null;
      const isLeft = slice === null || charge[part] <= slice.rest[part];
      assert(isLeft && slice?.id === known?.[part]?.id, `${name} takes what ${account} has of its slices`);
    }
  }

  #replica(name: string): Replica {
    const replica = this.#replicas.get(name);
    assert(replica !== undefined, `${name} has joined, and not left`);
    return replica;
  }
}

function keyOf(place: LeasePlace): string {
  return `${place.startUs} ${nameOf(place)}`;
}
