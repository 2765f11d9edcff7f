import type { LedgerState } from "../../core/budget/accounts.ts";
import { Calendar } from "../../core/budget/calendar.ts";
import type { Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { LimitsChanged } from "../../core/events.ts";
import type { LeaseOrder } from "../../core/leasing/lease.ts";
import type { Micros } from "../../core/units.ts";
import type { LedgerItem, ReplicaMessage } from "../../ledger/shared/messages.ts";
import { amountOf, type Book } from "../checkers/book.ts";
import type { EndOfWorld, Violate } from "../checkers/checker.ts";
import { LedgerChecker, mostUnder } from "../checkers/ledger.ts";
import { isAtOrBelow } from "../checkers/paths.ts";
import { sliceOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import { type AskedOfSlices, JournalSlices } from "./journal-slices.ts";
import { KnownLimits } from "./known-limits.ts";

/** What was charged or held that no limit could keep from it. */
interface Excess {
  account: string;
  atUs: Micros;
  charge: Charge;
}

/**
 * The one journal of a ledger that several supervisors share, entry by entry as the keeper appends them: what holds for
 * the ledger of one supervisor holds for it, whoever has made an entry. Nobody takes a limit further than the keeper had it when it
 * read the entry, but for what a replica had leased before it was told, and for what providers billed too much.
 */
export class JournalChecker {
  readonly #violate: Violate;
  readonly #ledger: LedgerChecker;
  readonly #calendar = new Calendar();
  readonly #limits = new KnownLimits();
  readonly #overages: Excess[] = [];
  /** What was held by replicas that had not heard yet that there is a limit. */
  readonly #unheard: (Excess & { limit: string })[] = [];
  readonly #ordered: (order: LeaseOrder, atUs: Micros) => void;
  readonly slices: JournalSlices;
  /** All that was appended, and how much of it is on the disk. */
  readonly #entries: LedgerEntry[] = [];
  #durable = 0;
  /** The ledger's clock, as the keeper goes by it. */
  #keptUs: Micros = 0;
  /** Whose message is being read, and what of it has not been yet. */
  #from: string | null = null;
  #unread: LedgerItem[] = [];

  /** `ordered` is told of all orders, in their place among the entries; `slices` is what was ever asked about slices. */
  constructor(
    violate: Violate,
    parts: { ordered: (order: LeaseOrder, atUs: Micros) => void; slices: AskedOfSlices },
  ) {
    this.#violate = violate;
    this.#ordered = parts.ordered;
    this.slices = new JournalSlices(violate, { book: () => this.book, asked: parts.slices });
    this.#ledger = new LedgerChecker(violate, { excuse: (entry, limit) => this.#excuse(entry, limit) });
  }

  get book(): Book {
    return this.#ledger.book;
  }

  /** When the last entry was made. */
  get clockUs(): Micros {
    return this.#ledger.clockUs;
  }

  limitsOf(account: string): LimitRow[] {
    return this.#ledger.limitsOf(account);
  }

  began(nowUs: Micros, { state, limits }: { state: LedgerState; limits: LimitRow[] }): void {
    this.#calendar.learn(state.zones);
    this.#entries.splice(this.#durable);
    this.slices.begin(this.#entries);
    this.#keptUs = Math.max(nowUs, state.clockUs);
    this.#limits.begin(limits);
    this.#from = null;
    this.#unread = [];
    this.#ledger.event(nowUs, { kind: "ledger_restored", state, limits });
  }

  /** What the process before it had left open is closed, but for slices, which go on. */
  hasBegun(nowUs: Micros): void {
    this.#ledger.stepped();
    // What comes next is not of the beginning any more.
    this.#ledger.event(nowUs, { kind: "timer_fired" });
  }

  limitsChanged(nowUs: Micros, event: LimitsChanged): void {
    this.#calendar.learn(event.known.zones);
    this.#limits.change(event.limits);
    this.#ledger.event(nowUs, event);
  }

  joined(replica: string): void {
    this.#limits.joined(replica);
  }

  left(replica: string): void {
    this.#limits.left(replica);
  }

  /** Whether what is appended is a replica's, and not the keeper's own. */
  get isReading(): boolean {
    return this.#from !== null;
  }

  reading(nowUs: Micros, replica: string, message: ReplicaMessage): void {
    this.#from = replica;
    this.#keptUs = Math.max(nowUs, this.#keptUs);
    this.#unread = message.kind === "ledger" ? [...message.items] : [];
  }

  /** All of the message has been read. */
  read(): void {
    this.#readUntil(() => false);
    this.#from = null;
  }

  appended(entry: LedgerEntry): void {
    const isNext = (item: LedgerEntry): boolean => {
      return item.hold === entry.hold && item.operation === entry.operation;
    };
    if (sliceOf(entry.hold) === null) this.#readUntil(isNext);
    // One whose time is over when the keeper begins is not a hold that was left open.
    else this.#ledger.event(this.#keptUs, { kind: "timer_fired" });
    this.#keptUs = Math.max(entry.atUs, this.#keptUs);
    this.#noteExcess(entry);
    this.#entries.push(entry);
    this.#ledger.effect({ kind: "append_ledger", entry });
    this.slices.apply(entry);
  }

  /** Entries that are on the disk. */
  get durable(): number {
    return this.#durable;
  }

  sighting(sighting: Sighting): void {
    if (sighting.kind === "entries_durable") this.#durable += sighting.entries.length;
    this.#ledger.sighting(sighting);
  }

  end(end: EndOfWorld): void {
    this.#ledger.end(end);
  }

  /** Orders change what the entries behind them may do. */
  #readUntil(isNext: (item: LedgerEntry) => boolean): void {
    for (let item = this.#unread.shift(); item !== undefined; item = this.#unread.shift()) {
      if ("operation" in item) {
        if (isNext(item)) return;
        continue;
      }
      if (item.kind === "open") this.#limits.opened(this.#from!, item);
      this.#ordered(item, this.#keptUs);
    }
  }

  #noteExcess({ hold, operation, account, atUs, charge, overage }: LedgerEntry): void {
    const lastUs = this.book.open.get(hold)?.parts.at(-1)?.atUs ?? atUs;
    if (overage !== null) this.#overages.push({ account, atUs: lastUs, charge: overage });
    const isTaken = operation === "reserve" || operation === "extend";
    // Slices are opened by whoever keeps the ledger, who knows its limits.
    if (!isTaken || this.#from === null || sliceOf(hold) !== null) return;
    for (const limit of this.limitsOf(account)) {
      if (this.#limits.mostFor(this.#from, limit) < Infinity) continue;
      this.#unheard.push({ account, atUs, charge, limit: nameOf(limit) });
    }
  }

  #excuse(entry: LedgerEntry, limit: LimitRow): number {
    const isSlice = sliceOf(entry.hold) !== null;
    if (this.#from === null && !isSlice) {
      this.#violate(null, `hold ${entry.hold} is made by nobody`);
      return 0;
    }
    const startOf = (atUs: Micros): Micros => this.#startOf(limit, atUs);
    const startUs = startOf(entry.atUs);
    let excess = isSlice ? 0 : this.#limits.mostFor(this.#from!, limit) - mostUnder(limit);
    for (const { account, atUs, charge } of this.#overages) {
      const counts = isAtOrBelow(account, limit.account) && startOf(atUs) === startUs;
      if (counts) excess += amountOf(limit.unit, charge);
    }
    for (const { atUs, charge, limit: unheardOf } of this.#unheard) {
      if (unheardOf === nameOf(limit) && startOf(atUs) === startUs) excess += amountOf(limit.unit, charge);
    }
    return excess;
  }

  /** What is excused in a window that rolls stays so. */
  #startOf({ window }: LimitRow, atUs: Micros): Micros {
    return this.#calendar.spec(window).kind === "rolling" ? 0 : this.#calendar.span(window, atUs).startUs;
  }
}

function nameOf({ account, unit, window }: LimitRow): string {
  return `${account} ${unit} ${window}`;
}
