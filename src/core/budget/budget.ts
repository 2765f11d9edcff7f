import { assert } from "../assert.ts";
import type {
  LeaseAnswered,
  LeaseRecalled,
  SliceClosing,
  SliceComing,
  SliceSettled,
  SlicesKnown,
} from "../events.ts";
import { HeldLeases, isUnderThreshold, type Wish } from "../leasing/held-leases.ts";
import type { LeaseOrder } from "../leasing/lease.ts";
import type { Micros } from "../units.ts";
import { type DoubtfulPost, doubtOf, type Hold, type LedgerState } from "./accounts.ts";
import { type Charge, excess, least, minus } from "./charge.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import type { LimitInForce } from "./limit-tree.ts";
import { type Known, LimitedAccounts } from "./limited-accounts.ts";
import { chargedIn, type Limit, type LimitRow } from "./limits.ts";
import { parentOf } from "./paths.ts";
import {
  type Ceiling,
  firstOf,
  type Found,
  type Remainder,
  type Shortage,
  shortageUnder,
  weightOf,
} from "./shortage.ts";
import { chargeOf, SLICE_MODEL, SLICE_PARTS, sliceId, type SlicePlace } from "./slice.ts";
import {
  closedShortage,
  comingShortage,
  remaindersOfSlice,
  shortageOfSlices,
  uncovered,
} from "./slice-check.ts";
import type { OpenSlice, Slices } from "./slices.ts";
import { amountFor, ceilingAt, type RankOf } from "./thresholds.ts";

/** What is to be charged to whom. */
export interface Asked {
  account: string;
  /** Name of its band; null for the usual one. */
  priority: string | null;
  charge: Charge;
}

/** A slice that is to be opened: of the account above, for that one. */
export interface SliceWanted extends SlicePlace {
  amounts: Charge;
  /** As in `Asked`. */
  priority: string | null;
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
  readonly #books: LimitedAccounts;
  /** Null where this supervisor has the ledger to itself. */
  readonly #leases: HeldLeases | null;
  readonly #rankOf: RankOf;

  /**
   * `rankOf` says how urgent a band is; without it all are alike. One of several supervisors on a ledger (`replica`)
   * takes holds within its leases only, and knows of nobody else's, nor what is left of slices.
   */
  constructor(
    state?: LedgerState,
    rankOf: RankOf = () => 0,
    { replica = null }: { replica?: SlicesKnown | null } = {},
  ) {
    this.#books = new LimitedAccounts(state, { countsWindows: replica === null });
    this.#leases = replica === null ? null : new HeldLeases(replica, this.#books);
    this.#rankOf = rankOf;
  }

  /** Without slices, which stay open for as long as they are meant to. */
  get openHolds(): number {
    const { holds, slices } = this.#books.accounts;
    return holds.size - slices.size;
  }

  /** All open holds: at the start, those that the process before this one has left. Slices are among them. */
  get holds(): Iterable<Hold> {
    return this.#books.accounts.holds.values();
  }

  /** The limits that there are at the start. */
  begin(rows: readonly LimitRow[], known: Known): void {
    this.#books.setLimits(rows, known);
  }

  /** Replaces limits by account, unit and window. What is already held stays held, and what was used in the window counts. */
  setLimits(rows: readonly LimitRow[], known: Known): void {
    this.#books.setLimits(rows, known);
    this.#leases?.opened(rows, this.#books.accounts.holds);
  }

  /** The file has everything through that entry. */
  durable(through: number): void {
    this.#books.durable(through);
  }

  /** The ledger's clock is as far as that: so is this one then, at least. */
  follow(ledgerUs: Micros): void {
    this.#books.clock(ledgerUs);
  }

  /** Whether any limit on the path counts what an answer adds to a request: money or tokens. */
  isMetered(account: string): boolean {
    if (this.#books.limits.on(account).some(({ unit }) => unit !== "requests" && unit !== "gpu_seconds")) {
      return true;
    }
    const cover = (this.#leases ?? this).slices.coverOf(account);
    return cover !== null && (cover.nanoUsd ?? cover.inputTokens ?? cover.outputTokens) !== null;
  }

  /** The lowest ceiling that a limit on the path sets for answers that begin now; null for none. */
  ceiling(account: string, nowUs: Micros): Ceiling | null {
    const atUs = this.#books.clock(nowUs);
    let lowest: Ceiling | null = null;
    for (const inForce of this.#books.limits.on(account)) {
      const { limit } = inForce;
      if (!limit.thresholds.some(({ action }) => action === "shorten")) continue;
      const remainder = this.#remainder(inForce, atUs);
      if (remainder === null) continue;
      const maxTokens = ceilingAt(limit, remainder.posted + remainder.held);
      if (maxTokens === null || (lowest !== null && maxTokens >= lowest.maxTokens)) continue;
      lowest = { ...remainder, maxTokens };
    }
    return lowest;
  }

  /** Whether any limit on the path counts GPU time. */
  isTimed(account: string): boolean {
    let isTimed = false;
    this.#books.limits.eachUpwards(account, ({ unit }) => {
      isTimed ||= unit === "gpu_seconds";
    });
    return isTimed;
  }

  /** The first limit on the path that counts GPU time, as it stands; null where none does. */
  gpuLimit(account: string, nowUs: Micros): Remainder | null {
    return this.remaindersOfLimits(account, nowUs).find(({ limit }) => limit.unit === "gpu_seconds") ?? null;
  }

  /** Whether the charge would fit now. */
  fits(asked: Asked, nowUs: Micros): boolean {
    return this.#shortage(asked, this.#books.clock(nowUs)) === null;
  }

  reserve(hold: { id: string; model: string }, asked: Asked, nowUs: Micros): LedgerEntry | Shortage {
    const { id, model } = hold;
    const { account, charge } = asked;
    const atUs = this.#books.clock(nowUs);
    const shortage = this.#shortage(asked, atUs);
    if (shortage !== null) return shortage;
    return this.#apply({ operation: "reserve", hold: id, account, model, charge, atUs, heldAtUs: atUs });
  }

  extend(id: string, more: Omit<Asked, "account">, nowUs: Micros): LedgerEntry | Shortage {
    const { account, model, parts } = this.#open(id);
    const { charge } = more;
    const atUs = this.#books.clock(nowUs);
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

  /** Charges all that was held, because what was used is not known; but for GPU time, where that is, or is known to be less. */
  postInDoubt(id: string, nowUs: Micros, { gpuUs }: { gpuUs?: number } = {}): LedgerEntry {
    const hold = this.#open(id);
    const charge = gpuUs === undefined ? hold.charge : { ...hold.charge, gpuUs };
    return this.#end("post", hold, { charge, nowUs, ...doubtOf(hold) });
  }

  /** Frees all of it. */
  void(id: string, nowUs: Micros): LedgerEntry {
    const hold = this.#open(id);
    return this.#end("void", hold, { charge: hold.charge, nowUs });
  }

  /** Posts whose true use may still be learnt, the oldest first. */
  get inDoubt(): ReadonlyMap<string, DoubtfulPost> {
    return this.#books.accounts.inDoubt;
  }

  /**
   * Corrects a post in doubt to what was used after all, which can't be more than was held; null when
   * the hold is not in doubt.
   */
  adjust(id: string, used: Charge, nowUs: Micros): LedgerEntry | null {
    const post = this.#books.accounts.inDoubt.get(id);
    if (post === undefined) return null;
    const { account, model, heldAtUs } = post;
    const charge = minus(least(used, post.charge), post.charge);
    const atUs = this.#books.clock(nowUs);
    return this.#apply({ operation: "adjust", hold: id, account, model, charge, atUs, heldAtUs });
  }

  /** Others have left these open: their true use may still be learnt. */
  doubt(posts: readonly DoubtfulPost[]): void {
    this.#books.accounts.doubt(posts);
  }

  /** Every limit on the path, from the root down, and what is left of slices; of a ledger that is shared, as far as it was told. */
  remainders(account: string, nowUs: Micros): Remainder[] {
    const atUs = this.#books.clock(nowUs);
    const limits = this.remaindersOfLimits(account, nowUs);
    const slices = this.#remaindersOfSlices(account, atUs);
    if (slices.length === 0) return limits;
    return [...slices, ...limits].sort((a, b) => a.account.length - b.account.length);
  }

  /** Each in each of its units, as if it were limits. */
  #remaindersOfSlices(account: string, atUs: Micros): Remainder[] {
    if (this.#leases !== null) {
      const around = this.#leases.slices.around(account).toReversed();
      return this.#remaindersIn(
        around.flatMap(({ places }) => places),
        atUs,
      );
    }
    const around = this.slices.size === 0 ? [] : this.slices.around(account).toReversed();
    return around.flatMap((slice) => this.remaindersOf(slice));
  }

  /** A slice in each of its units, as if it were limits. */
  remaindersOf(slice: OpenSlice): Remainder[] {
    return remaindersOfSlice(slice, this.#books.heldAt);
  }

  /** Every limit on the path, from the root down. */
  remaindersOfLimits(account: string, nowUs: Micros): Remainder[] {
    const atUs = this.#books.clock(nowUs);
    return this.#remaindersIn(this.#books.limits.on(account), atUs);
  }

  #remaindersIn(path: readonly LimitInForce[], atUs: Micros): Remainder[] {
    return path.flatMap((inForce) => this.#remainder(inForce, atUs) ?? []);
  }

  /** Null where this supervisor does not know. */
  #remainder(inForce: LimitInForce, atUs: Micros): Remainder | null {
    const { account, limit } = inForce;
    const used = this.#leases === null ? this.#books.usage(inForce, atUs) : this.#leases.used(inForce, atUs);
    if (used === null) return null;
    const { posted, held } = used;
    const { calendar } = this.#books.accounts;
    const resetUs = limit.window === "total" ? null : calendar.span(limit.window, atUs).endUs;
    return { account: account.name, limit, posted, held, remaining: limit.amount - posted - held, resetUs };
  }

  /** When the instance of the window ends. */
  endOf({ window }: Limit, nowUs: Micros): Micros {
    return this.#books.accounts.calendar.span(window, this.#books.clock(nowUs)).endUs;
  }

  // ── slices ─────────────────────────────────────────────────────────────────────────────

  get slices(): Slices {
    return this.#books.accounts.slices;
  }

  /** The ledger's, which does not go back. */
  clock(nowUs: Micros): Micros {
    return this.#books.clock(nowUs);
  }

  /** Whether anything was ever held or posted there or below. */
  isUsed(account: string): boolean {
    return this.#books.isUsed(account);
  }

  /** Holds the slice on the account above, all or nothing, as any other hold; its account must be new. */
  openSlice({ amounts, priority, ...place }: SliceWanted, nowUs: Micros): LedgerEntry | Shortage {
    const account = parentOf(place.account);
    assert(account !== null, "the root has nothing above it");
    const hold = { id: sliceId(place), model: SLICE_MODEL };
    return this.reserve(hold, { account, priority, charge: amounts }, nowUs);
  }

  /** Closes the slice of that account, and before it those that were opened below it. What runs there keeps what it holds. */
  closeSlices(account: string, nowUs: Micros): LedgerEntry[] {
    const within = this.slices.within(account);
    within.sort((a, b) => b.account.length - a.account.length);
    return within.map(({ id }) => this.void(id, nowUs));
  }

  // ── slices that somebody else keeps ────────────────────────────────────────────────────

  sliceComing(coming: SliceComing): void {
    this.#leases?.sliceComing(coming);
  }

  /** The outermost account from there up whose slice was closed, as far as is known; null where none was. */
  closedAbove(account: string): string | null {
    return (this.#leases ?? this).slices.closedAbove(account);
  }

  /** Returns the account of the slice, or of what is none. */
  sliceSettled(settled: SliceSettled): string | null {
    return this.#leases?.sliceSettled(settled) ?? null;
  }

  sliceClosing(closing: SliceClosing): void {
    this.#leases?.sliceClosing(closing);
  }

  // ── leases ─────────────────────────────────────────────────────────────────────────────

  /**
   * Asks for what the charge lacks, or for what is enough for the smaller one where there is not so much. Returns the account of
   * a limit of which an answer is on its way; null where there is nothing to ask for, or nobody to be asked.
   */
  ask({ account, charge, priority }: Asked, smaller: Charge, nowUs: Micros): string | null {
    if (this.#leases === null) return null;
    const { slices } = this.#leases;
    if (this.closedAbove(account) !== null) return null;
    const coming = slices.comingAbove(account);
    if (coming !== null) return coming;
    const atUs = this.#books.clock(nowUs);
    const smallest = this.#partsUnder(account, smaller, atUs);
    const wishes = this.#partsUnder(account, charge, atUs).map(({ inForce, needed }, i): Wish => {
      const { amount, threshold } = amountFor(inForce.limit, priority, this.#rankOf);
      return { inForce, amount, needed, least: smallest[i]!.needed, percent: threshold?.percent ?? 100 };
    });
    // What can never fit need not be asked for.
    if (wishes.some((wish) => wish.least > wish.amount)) return null;
    return this.#leases.ask(wishes, { path: this.#placesOn(account, this.#leases), atUs });
  }

  /** Limits on the path, and slices. */
  #placesOn(account: string, { slices }: HeldLeases): LimitInForce[] {
    return [...this.#books.limits.on(account), ...slices.around(account).flatMap(({ places }) => places)];
  }

  /** What a charge needs of every limit on the path that no slice holds there, and of the slices that it is drawn from. */
  #partsUnder(name: string, charge: Charge, atUs: Micros): { inForce: LimitInForce; needed: bigint }[] {
    const cover = this.#leases!.slices.coverOf(name);
    const { calendar } = this.#books.accounts;
    const parts = this.#books.limits.on(name).map((inForce) => {
      const { limit, account } = inForce;
      const place = { limit, account: account.name, calendar, atUs };
      const own = cover === null ? charge : uncovered(charge, cover, place);
      return { inForce, needed: chargedIn(inForce.unit, own) };
    });
    if (cover === null) return parts;
    const drawn = SLICE_PARTS.flatMap((part) => {
      const inForce = cover[part]?.places.find((place) => place.part === part);
      return inForce === undefined ? [] : [{ inForce, needed: BigInt(charge[part]) }];
    });
    return [...parts, ...drawn];
  }

  /** Returns the accounts whose limits the answer is about. */
  answered(answer: LeaseAnswered, nowUs: Micros): string[] {
    // What is granted may be free only since that instant: nothing is taken from it at an earlier one.
    this.follow(answer.ledgerUs);
    return this.#leases?.answered(answer, this.#books.clock(nowUs)) ?? [];
  }

  recalled(recall: LeaseRecalled, nowUs: Micros): void {
    this.#leases?.recalled(recall, this.#books.clock(nowUs));
  }

  /** What is to be told to the desk, behind the entries until now. */
  takeOrders(): readonly LeaseOrder[] {
    return this.#leases?.takeOrders() ?? NO_ORDERS;
  }

  // ── limits ─────────────────────────────────────────────────────────────────────────────

  /** The first limit that the charge does not fit under; one under which it never can goes before others, and what is certain before what is not. */
  #shortage(asked: Asked, atUs: Micros): Shortage | null {
    const { account: name, charge } = asked;
    const { slices } = this.#leases ?? this;
    const closed = this.closedAbove(name);
    if (closed !== null) return closedShortage(closed, charge);
    const coming = this.#leases?.slices.comingAbove(name) ?? null;
    if (coming !== null) return comingShortage(coming, charge);
    const cover = slices.coverOf(name);
    const { calendar } = this.#books.accounts;
    const place = ({ limit, account }: LimitInForce) => ({ limit, account: account.name, calendar, atUs });
    let first: Found | null = null;
    // From the leaf up and each account's last limit first, so that what is found later goes before.
    this.#books.limits.eachUpwards(name, (inForce) => {
      const wanted = cover === null ? asked : { ...asked, charge: uncovered(charge, cover, place(inForce)) };
      const found = this.#find(inForce, wanted, atUs);
      if (found !== null && (first === null || weightOf(found) >= weightOf(first))) first = found;
    });
    const limit = first as Found | null;
    if (cover === null) return limit?.shortage ?? null;
    if (this.#leases !== null) return this.#heaviest(limit, asked, atUs);
    const slice = shortageOfSlices(charge, this.slices.coverOf(name)!, this.#books.heldAt);
    return firstOf(slice, limit?.shortage ?? null);
  }

  /** The same where it is the leases of slices that may be short. */
  #heaviest(limit: Found | null, asked: Asked, atUs: Micros): Shortage | null {
    const cover = this.#leases!.slices.coverOf(asked.account)!;
    let first: Found | null = null;
    for (const part of SLICE_PARTS) {
      const place = cover[part]?.places.find((each) => each.part === part);
      if (place === undefined) continue;
      const charge = chargeOf({ [part]: asked.charge[part] });
      const found = this.#find(place, { ...asked, charge }, atUs);
      if (found !== null && (first === null || weightOf(found) > weightOf(first))) first = found;
    }
    if (first !== null && limit !== null && weightOf(first) !== weightOf(limit)) {
      return (weightOf(first) > weightOf(limit) ? first : limit).shortage;
    }
    return firstOf(first?.shortage ?? null, limit?.shortage ?? null);
  }

  #find(inForce: LimitInForce, { charge, priority }: Asked, atUs: Micros): Found | null {
    const needed = chargedIn(inForce.unit, charge);
    if (needed === 0n) return null;
    if (this.#leases === null && this.#books.isPlenty(inForce, needed, atUs)) return null;
    const allowed = amountFor(inForce.limit, priority, this.#rankOf);
    const percent = allowed.threshold?.percent ?? 100;
    const lease = this.#leases?.view(inForce, percent, atUs) ?? null;
    if (lease !== null && needed <= lease.unused && isUnderThreshold(inForce, lease, percent)) return null;
    const usage = this.#usage(inForce, atUs);
    if (lease === null && needed <= allowed.amount - usage.posted - usage.held) return null;
    const freedAt = (over: bigint): Micros => this.#books.freedAt(inForce, over, atUs);
    const shortage = shortageUnder(inForce, { needed, ...allowed, ...usage }, freedAt);
    return { shortage, isCertain: lease === null || lease.isAll || needed > allowed.amount };
  }

  /** Of a limit: by all, as far as is known. What others have leased is not to be had, so a refusal counts it in. */
  #usage(inForce: LimitInForce, atUs: Micros): { posted: bigint; held: bigint } {
    if (this.#leases === null) return this.#books.usage(inForce, atUs);
    const { posted, reserved, unused } = this.#leases.view(inForce, 100, atUs);
    return { posted, held: reserved - unused };
  }

  #open(id: string): Hold {
    const hold = this.#books.accounts.holds.get(id);
    assert(hold !== undefined, `${id} is open`);
    return hold;
  }

  #end(
    operation: "post" | "void",
    { id, account, model, parts }: Hold,
    end: { charge: Charge; nowUs: Micros } & Partial<Pick<LedgerEntry, "overage" | "inDoubt" | "parts">>,
  ): LedgerEntry {
    const { charge, nowUs, ...rest } = end;
    const heldAtUs = parts[0]!.atUs;
    const atUs = this.#books.clock(nowUs);
    return this.#apply({ operation, hold: id, account, model, charge, atUs, heldAtUs, ...rest });
  }

  #apply(step: Parameters<LimitedAccounts["append"]>[0]): LedgerEntry {
    const hold = this.#leases === null ? undefined : this.#books.accounts.holds.get(step.hold);
    const entry = this.#books.append(step);
    if (this.#leases === null) return entry;
    this.#leases.count(entry, hold);
    const { operation, account, atUs } = entry;
    if (operation === "reserve" || operation === "extend") {
      this.#leases.askNews(this.#placesOn(account, this.#leases), atUs);
    }
    return entry;
  }
}

const NO_ORDERS: readonly LeaseOrder[] = [];
