import { assert } from "../assert.ts";
import type { CoreConfig } from "../config.ts";
import { NO_USAGE, type Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { Micros } from "../units.ts";
import type { DoubtfulPost, Hold } from "./accounts.ts";
import { type Asked, Budget, type SliceWanted } from "./budget.ts";
import type { Remainder, Shortage } from "./shortage.ts";
import { type Charge, isNothing, minus, NOTHING, plus } from "./charge.ts";
import { correctedBy } from "./corrections.ts";
import { chargeFor, mostTokens, worstCaseOf } from "./coverage.ts";
import type { Price } from "./money.ts";
import { attemptsUnder, holdId, holdsOver, isFirstUnder } from "./hold-ids.ts";
import type {
  LeaseAnswered,
  LeaseRecalled,
  LedgerRestored,
  Receipt,
  SliceClosing,
  SliceComing,
  SliceSettled,
  SlicesKnown,
} from "../events.ts";
import type { LeaseOrder } from "../leasing/lease.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import type { Known } from "./limited-accounts.ts";
import { type GpuShare, gpuTime, partOfTime, places } from "./gpu-time.ts";
import type { Limit, LimitRow, LimitUnit } from "./limits.ts";
import type { Slices } from "./slices.ts";
import type { RankOf } from "./thresholds.ts";
import type { Use } from "./use.ts";
import { Unfunded } from "./unfunded.ts";

const NO_SLICES: SlicesKnown = { open: [], coming: [], closed: [] };

/** A hold, or the extension of one, on its way to the disk. */
interface Pending {
  readonly sequence: number;
  readonly packet: Packet;
  readonly hold: string;
  readonly heldTokens: number;
  readonly heldGpuUs: number;
}

/** What a hold is to cover more of: tokens, or GPU time. */
interface Lengthening {
  kind: "heldTokens" | "heldGpuUs";
  /** How many there are to be, if there is room for so many. */
  most: number;
  /** What so many more cost. */
  chargeOf: (amount: number) => Charge;
  isLastCall: boolean;
}

interface Sources {
  /** How urgent a band is. */
  rankOf: RankOf;
  /** The most of a GPU that one place of a model is. */
  placeOf: (model: string) => GpuShare;
}

/**
 * The holds of packets: taken before dispatch and made longer as the answer grows, waited for until
 * they are durable, closed once.
 *
 * ```
 *   reserve ──▶ held ──durable──▶ dispatched ──▶ … tokens come … ──▶ closed: post or void
 *      │                              ▲                │
 *      │ short, and it may wait       └─ durable ◀─ extend (the next packet of the answer)
 *      ▼
 *   waits for money to be released on its account's path, in order of arrival
 * ```
 */
export class Reservations {
  readonly #turn: Turn;
  readonly #packetTokens: number;
  readonly #gpuPacketUs: Micros;
  readonly #totalUs: Micros;
  readonly #rankOf: RankOf;
  readonly #placeOf: Sources["placeOf"];
  #budget: Budget;
  /** Holds that the process before this one, or another supervisor, had open when it ended: each was the last of its packet. */
  readonly #orphans = new Set<string>();
  /** In ledger order; those before `#nextPending` are durable. */
  #pending: Pending[] = [];
  #nextPending = 0;
  readonly #unfunded: Unfunded;
  #isReplica = false;

  constructor(turn: Turn, config: CoreConfig, { rankOf, placeOf }: Sources) {
    this.#turn = turn;
    this.#packetTokens = config.packetTokens;
    this.#gpuPacketUs = config.gpuPacketUs;
    this.#totalUs = config.timeouts.totalUs;
    this.#placeOf = placeOf;
    this.#rankOf = rankOf;
    this.#budget = new Budget(undefined, rankOf);
    this.#unfunded = new Unfunded(turn, config.limits);
  }

  /** Whether it is one of several that share the ledger. */
  get isReplica(): boolean {
    return this.#isReplica;
  }

  get openHolds(): number {
    return this.#budget.openHolds;
  }

  /** Takes over what the process before this one has left. Nobody knows any more what its open holds came to. */
  restore({ state, limits, isReplica = false, slices = NO_SLICES }: LedgerRestored): void {
    this.#isReplica = isReplica;
    this.#budget = new Budget(state, this.#rankOf, { replica: isReplica ? slices : null });
    this.#budget.begin(limits, { zones: state.zones, used: [], through: state.sequence });
    for (const hold of this.#budget.holds) {
      const { id, amounts } = hold;
      // A slice is nobody's who could have ended with that process.
      if (amounts !== undefined) continue;
      this.#orphans.add(id);
      this.#append(this.#budget.postInDoubt(id, this.#turn.nowUs, { gpuUs: this.#mostUntilNow(hold) }));
    }
  }

  /**
   * The GPU time that can have been used of a hold that was found. Under a limit that is all of it: no more than a packet or two.
   * Elsewhere it is for all of `timeouts.total`, of which only so much has gone by.
   */
  #mostUntilNow({ account, charge: { gpuUs }, parts }: Hold): number {
    if (gpuUs === 0 || this.#budget.isTimed(account)) return gpuUs;
    const goneUs = this.clockUs - parts[0]!.atUs;
    return goneUs < this.#totalUs ? partOfTime(gpuUs, goneUs, this.#totalUs) : gpuUs;
  }

  /** Attempts that posts in doubt may be about: whoever has run one can say what it came to. */
  get attemptsInDoubt(): string[] {
    return [...this.#budget.inDoubt.keys()].flatMap(attemptsUnder);
  }

  /**
   * Corrects the post in doubt that the receipt is about, if there is one. A receipt of nothing may not be the last word, and
   * one of a parked attempt is not: whoever has gone on with the answer knows what it came to. What it costs is asked
   * as of the instant of the hold; null for what has no price any more. `place` is as in `correctedBy`.
   */
  adjust(
    receipt: Receipt,
    { priceAt, place }: { priceAt: (atUs: Micros) => Price | null; place: GpuShare | null },
  ): void {
    const { attempt, isParked } = receipt;
    if (isParked || receipt.usage.completionTokens === 0) return;
    for (const hold of holdsOver(attempt)) {
      const post = this.#budget.inDoubt.get(hold);
      if (post === undefined || !this.#mayCover(hold, attempt)) continue;
      const price = priceAt(post.heldAtUs);
      if (price === null) return;
      const charge = correctedBy(receipt, post, { price, place });
      const entry = this.#budget.adjust(hold, charge, this.#turn.nowUs);
      if (entry !== null) this.#release(entry);
      return;
    }
  }

  /**
   * A hold covers the attempt after it. Those that came later may have had a hold of their own, which
   * is long posted, unless the process before this one ended under this one.
   */
  #mayCover(hold: string, attempt: string): boolean {
    return this.#orphans.has(hold) || isFirstUnder(hold, attempt);
  }

  setLimits(limits: readonly LimitRow[], known: Known): void {
    this.#budget.setLimits(limits, known);
    this.#order();
    this.#unfunded.freeAll();
  }

  get slices(): Slices {
    return this.#budget.slices;
  }

  /** The ledger's clock. */
  get clockUs(): Micros {
    return this.#budget.clock(this.#turn.nowUs);
  }

  /** Whether anything was ever held or posted there or below. */
  isUsed(account: string): boolean {
    return this.#budget.isUsed(account);
  }

  openSlice(wanted: SliceWanted): LedgerEntry | Shortage {
    const result = this.#budget.openSlice(wanted, this.#turn.nowUs);
    if ("sequence" in result) this.#append(result);
    return result;
  }

  /** Closes the slice, and those inside it before. Packets that wait for money of theirs are refused; others may have it. */
  closeSlices(account: string): LedgerEntry[] {
    const entries = this.#budget.closeSlices(account, this.#turn.nowUs);
    for (const entry of entries) this.#append(entry);
    this.#unfunded.freeAll();
    return entries;
  }

  /** A slice may be opened there: packets that need something there wait until it is known. */
  sliceComing(coming: SliceComing): void {
    this.#budget.sliceComing(coming);
    this.#order();
  }

  /** Returns packets as `leaseAnswered` does. */
  sliceSettled(settled: SliceSettled): Packet[] {
    const account = this.#budget.sliceSettled(settled);
    return account === null ? [] : this.#unfunded.heard(account);
  }

  /** Packets that wait for money of the slice are refused. */
  sliceClosing(closing: SliceClosing): void {
    this.#budget.sliceClosing(closing);
    this.#order();
    this.#unfunded.freeAll();
  }

  /** What is to be told to the desk, behind the entries until now. */
  order(order: LeaseOrder): void {
    this.#turn.emit({ kind: "order_lease", order });
  }

  /** Whoever keeps the ledger was heard of, and this is how far its clock is. */
  follow(ledgerUs: Micros): void {
    this.#budget.follow(ledgerUs);
  }

  /** Others have left these open: receipts can still say what they came to. */
  doubt(posts: readonly DoubtfulPost[]): void {
    this.#budget.doubt(posts);
    for (const { hold } of posts) this.#orphans.add(hold);
  }

  /** Returns packets that have asked for a longer hold, or from their place in line; others are in `refundable`. */
  leaseAnswered(answer: LeaseAnswered): Packet[] {
    const accounts = this.#budget.answered(answer, this.#turn.nowUs);
    this.#order();
    return accounts.flatMap((account) => this.#unfunded.heard(account));
  }

  leaseRecalled(recall: LeaseRecalled): void {
    this.#budget.recalled(recall, this.#turn.nowUs);
    this.#order();
  }

  remainders(account: string): Remainder[] {
    return this.#budget.remainders(account, this.#turn.nowUs);
  }

  /** When the instance of the window that the limit counts in now ends. */
  endOf(limit: Limit): Micros {
    return this.#budget.endOf(limit, this.#turn.nowUs);
  }

  /**
   * Holds what the packet needs to start: all it can come to where nothing limits its account or it
   * can't be stopped at a token, shortened to what fits but never below one packet of output; else
   * its first packet only. Null when held; `durable` then names the packet once that would survive a
   * crash. Null as well while a lease for it is asked for: `refundable` names it then.
   *
   * One that has its hold has found a place on GPUs that there is no time for in it: it needs a packet of that.
   */
  reserve(packet: Packet): Shortage | null {
    const { account, model } = packet.request;
    if (packet.hold !== null) {
      const share = places(this.#placeOf(model), packet.choices);
      const result = this.extendTime(packet, share, { isLastCall: false });
      if (result === null) this.#unfunded.leave(packet);
      return result === "asked" ? null : result;
    }
    const fits = (tokens: number): boolean => {
      return this.#budget.fits(askedBy(packet, this.#neededFor(packet, tokens)), this.#turn.nowUs);
    };
    const begun = packet.carried?.tokens ?? 0;
    if (begun === 0) this.#shorten(packet);
    const first = Math.min(begun + this.#packetTokens, packet.maxTokens);
    const isMetered = this.#budget.isMetered(account);
    const wanted = isMetered && packet.isOnCredit ? first : packet.maxTokens;
    const shortage = this.#hold(packet, wanted);
    // An answer that is shown in part is worth going on with for any number of tokens, and a new one for a packet of them.
    const least = begun === 0 ? first : begun + 1;
    if (shortage === null || this.#ask(packet, { wanted, least })) return null;
    if (wanted === least || !isOfTokens(shortage.limit.unit)) return shortage;
    const shorter = mostTokens({ least, most: wanted - 1 }, fits);
    if (shorter === null) return this.#hold(packet, least);
    packet.shortage = shortage;
    // What can be stopped at a token may yet be granted more; to the rest that is said from the start.
    if (!packet.isOnCredit || begun === 0) packet.maxTokens = shorter;
    return this.#hold(packet, shorter);
  }

  /**
   * Holds the next packet of its answer, or, at the end of its credit, whatever part of that still fits; or asks for the lease of
   * it, to be called again when `leaseAnswered` names the packet.
   */
  extend(packet: Packet, { isLastCall }: { isLastCall: boolean }): Shortage | "asked" | null {
    const { heldTokens, maxTokens } = packet;
    const held = worstCaseOf(packet, heldTokens);
    return this.#lengthen(packet, {
      kind: "heldTokens",
      most: Math.min(heldTokens + this.#packetTokens, maxTokens),
      chargeOf: (tokens) => minus(worstCaseOf(packet, tokens), held),
      isLastCall,
    });
  }

  /** The same of GPU time, for an attempt that has such a share of GPUs. Where nothing limits it, that is for as long as a request may take. */
  extendTime(
    packet: Packet,
    share: GpuShare,
    { isLastCall }: { isLastCall: boolean },
  ): Shortage | "asked" | null {
    const { heldGpuUs } = packet;
    return this.#lengthen(packet, {
      kind: "heldGpuUs",
      most: heldGpuUs + gpuTime(this.#gpuUsAtATime(packet), share),
      chargeOf: (gpuUs) => ({ ...NOTHING, gpuUs: gpuUs - heldGpuUs }),
      isLastCall,
    });
  }

  #lengthen(packet: Packet, { kind, most, chargeOf, isLastCall }: Lengthening): Shortage | "asked" | null {
    const { hold } = packet;
    const least = packet[kind] + 1;
    assert(hold !== null, `${packet.id} has a hold`);
    const moreFor = (amount: number): Asked => askedBy(packet, chargeOf(amount));
    let amount = most;
    let result = this.#budget.extend(hold, moreFor(amount), this.#turn.nowUs);
    if ("limit" in result) {
      const account = this.#budget.ask(moreFor(amount), chargeOf(least), this.#turn.nowUs);
      this.#order();
      if (account !== null) {
        this.#unfunded.hear(packet, account);
        return "asked";
      }
    }
    if ("limit" in result && isLastCall) {
      const shorter = mostTokens({ least, most: most - 1 }, (some) => {
        return this.#budget.fits(moreFor(some), this.#turn.nowUs);
      });
      // Where not one more fits, that is what is refused, by the limit that stands in its way.
      amount = shorter ?? least;
      result = this.#budget.extend(hold, moreFor(amount), this.#turn.nowUs);
    }
    if ("limit" in result) return result;
    packet[kind] = amount;
    this.#expect(packet, result);
    return null;
  }

  /** Packets whose hold, or whose longer hold, is durable now that the ledger is, up to that position. */
  *durable(through: number): Iterable<Packet> {
    this.#budget.durable(through);
    let next = this.#pending[this.#nextPending];
    while (next !== undefined && next.sequence <= through) {
      this.#nextPending++;
      const { packet, hold, heldTokens, heldGpuUs } = next;
      if (packet.hold === hold) {
        packet.creditTokens = heldTokens;
        packet.creditGpuUs = heldGpuUs;
        yield packet;
      }
      next = this.#pending[this.#nextPending];
    }
    if (this.#nextPending * 2 < this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#nextPending);
    this.#nextPending = 0;
  }

  /** Posts what was used and frees the rest; what was not used at all is voided. */
  close(packet: Packet, use: Use): void {
    this.#unfunded.forget(packet);
    const { hold, request } = packet;
    if (hold === null) return;
    // The supervisor ends it there; what it does until it hears of that is not counted.
    const gpuUs = Math.min(packet.usedGpuUs, packet.heldGpuUs);
    Object.assign(packet, NOTHING_HELD);
    const { nowUs } = this.#turn;
    const isFree = use === "none" && !this.#countsRequest(packet);
    if (isFree && gpuUs === 0) return this.#release(this.#budget.void(hold, nowUs));
    const used = isFree ? NOTHING : use === "none" ? chargeFor(packet, NO_USAGE) : countedOnce(packet, use);
    const entry =
      used === "unknown"
        ? this.#budget.postInDoubt(hold, nowUs, { gpuUs })
        : this.#budget.post(hold, { ...used, gpuUs }, nowUs);
    request.charged = plus(request.charged, entry.charge);
    this.#release(entry);
  }

  /** As `Unfunded.enter`. */
  waitForFunds(packet: Packet, account: string): boolean {
    return this.#unfunded.enter(packet, account);
  }

  /** Whether any limit on its path counts GPU time. */
  isTimed({ request }: Packet): boolean {
    return this.#budget.isTimed(request.account);
  }

  /** The limit of GPU time that the packet is under, as it stands; null where it is under none. */
  gpuLimit({ request }: Packet): Remainder | null {
    return this.#budget.gpuLimit(request.account, this.#turn.nowUs);
  }

  /** Packets that wait for their budget. */
  get waiting(): number {
    return this.#unfunded.waiting;
  }

  /** Waiting packets to try again, as `Unfunded.toTryAgain`: whoever waits below a slice that is closed is to be refused. */
  refundable(): Iterable<Packet> {
    return this.#unfunded.toTryAgain(({ request }) => this.#budget.closedAbove(request.account) !== null);
  }

  /** A threshold that has been reached leaves it fewer tokens. One that was shortened before it had to wait stays so. */
  #shorten(packet: Packet): void {
    const ceiling = this.#budget.ceiling(packet.request.account, this.#turn.nowUs);
    if (ceiling === null || ceiling.maxTokens >= packet.maxTokens) return;
    packet.maxTokens = ceiling.maxTokens;
    packet.shortage = ceiling;
  }

  #hold(packet: Packet, tokens: number): Shortage | null {
    const id = holdId(packet.id, packet.attempts);
    const charge = this.#neededFor(packet, tokens);
    const { model } = packet.request;
    const result = this.#budget.reserve({ id, model }, askedBy(packet, charge), this.#turn.nowUs);
    if ("limit" in result) return result;
    packet.hold = id;
    packet.heldTokens = tokens;
    packet.heldGpuUs = charge.gpuUs;
    this.#unfunded.leave(packet);
    this.#expect(packet, result);
    return null;
  }

  /** What so many tokens come to at most, and as much GPU time as is held at a time: where nothing limits it, for as long as a request may take. */
  #neededFor(packet: Packet, tokens: number): Charge {
    const { request, choices } = packet;
    const place = this.#placeOf(request.model);
    const charge = worstCaseOf(packet, tokens);
    if (place.thousandths === 0) return charge;
    return { ...charge, gpuUs: gpuTime(this.#gpuUsAtATime(packet), places(place, choices)) };
  }

  #gpuUsAtATime(packet: Packet): Micros {
    return this.isTimed(packet) ? this.#gpuPacketUs : this.#totalUs;
  }

  #expect(packet: Packet, entry: LedgerEntry): void {
    const { sequence, hold } = entry;
    const { heldTokens, heldGpuUs } = packet;
    this.#pending.push({ sequence, packet, hold, heldTokens, heldGpuUs });
    this.#append(entry);
  }

  #release(entry: LedgerEntry): void {
    this.#append(entry);
    this.#unfunded.free(entry.account);
  }

  /** The request counts with the first of its packets, even where only others of them have used something. */
  #countsRequest({ choice, request }: Packet): boolean {
    const { charged } = request;
    return choice === 0 && charged.requests === 0 && !isNothing({ ...charged, gpuUs: 0 });
  }

  /** Asks for the leases that the packet lacks to start. Returns whether it waits for an answer. */
  #ask(packet: Packet, { wanted, least }: { wanted: number; least: number }): boolean {
    const asked = askedBy(packet, this.#neededFor(packet, wanted));
    const account = this.#budget.ask(asked, this.#neededFor(packet, least), this.#turn.nowUs);
    this.#order();
    // Who races against another attempt has no time to wait.
    if (account === null || packet.rival !== null) return false;
    this.#unfunded.ask(packet, account);
    return true;
  }

  #append(entry: LedgerEntry): void {
    this.#turn.emit({ kind: "append_ledger", entry });
    this.#order();
  }

  /** Behind the entries until now. */
  #order(): void {
    for (const order of this.#budget.takeOrders()) this.order(order);
  }
}

const NOTHING_HELD = {
  hold: null,
  heldTokens: 0,
  creditTokens: 0,
  heldGpuUs: 0,
  creditGpuUs: 0,
  usedGpuUs: 0,
} as const satisfies Partial<Packet>;

/** Whether a shorter answer needs less of it. */
function isOfTokens(unit: LimitUnit): boolean {
  return unit !== "requests" && unit !== "gpu_seconds";
}

function askedBy({ request }: Packet, charge: Charge): Asked {
  return { account: request.account, priority: request.arrival.hints.priority, charge };
}

/** What was used was reckoned up before others of the request were posted, and the request itself counts once. */
function countedOnce({ request }: Packet, use: Charge | "unknown"): Charge | "unknown" {
  if (use === "unknown" || use.requests === 0 || request.charged.requests === 0) return use;
  return { ...use, nanoUsd: use.nanoUsd - use.requests * request.price.request, requests: 0 };
}
