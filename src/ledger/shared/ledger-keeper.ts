import { type DoubtfulPost, IN_DOUBT_MAX, type LedgerState } from "../../core/budget/accounts.ts";
import type { Known } from "../../core/budget/limited-accounts.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { LeaseDesk, type LeaseDeskOptions } from "../../core/leasing/lease-desk.ts";
import { LEASE_TTL_US } from "../../core/leasing/lease.ts";
import { type Micros, seconds } from "../../core/units.ts";
import type { LedgerPort } from "../../supervisor/ports.ts";
import type { KeeperMessage, LedgerItem, ReplicaMessage } from "./messages.ts";

/** What replicas together admit at most, by model and by who sends it. */
export type Rates = NonNullable<LeaseDeskOptions["rates"]>;

/** A slice may be open for longer than a timer can be set for. */
const WAKE_US_MAX = seconds(3_600);

/** What entries are appended to. It says of every group that it is durable, also where no packet waits for it. */
export type Journal = Pick<LedgerPort, "append">;

export interface LedgerKeeperOptions {
  /** What the ledger holds. Nobody knows any more what the holds in it came to: they are posted in doubt. */
  state: LedgerState;
  limits: readonly LimitRow[];
  /** Of requests, as configured; none if absent. */
  rates?: Rates;
  /** How many slices may be opened; none if absent. */
  slices?: CoreConfig["slices"];
  /** The journal submits `ledger_durable`, with positions in the journal. */
  createJournal: (submit: (event: SupervisorEvent) => void) => Journal;
  nowUs: () => Micros;
  /** Calls back after that time; calls are not called off. */
  after: (delayUs: Micros, callback: () => void) => void;
  /** Why nothing can be written at the moment; null when all is well. */
  trouble?: () => string | null;
}

interface Replica {
  readonly send: (message: KeeperMessage) => void;
  /** To be sent with what else there is in this turn. */
  events: SupervisorEvent[];
  heardUs: Micros;
}

/**
 * Keeps one ledger for several replicas of the supervisor: their entries go into one journal, and the desk shares limits
 * among them. It has no clock and no lines of its own: whoever has one hands it messages, and tells it the time.
 *
 * ```
 *   replica ──entries, orders──▶ desk ──entries in one order──▶ journal
 *      ▲                          │                                │
 *      └────────── events ────────┴──────── durable ◀──────────────┘
 * ```
 *
 * Each message is handled as a whole and in the order in which it came, and the journal is written in that order. So
 * whatever is durable is a beginning of all that happened, and what one replica has given back can be another's at once.
 */
export class LedgerKeeper {
  readonly #desk: LeaseDesk;
  readonly #journal: Journal;
  readonly #nowUs: () => Micros;
  readonly #after: LedgerKeeperOptions["after"];
  readonly #trouble: () => string | null;
  readonly #replicas = new Map<string, Replica>();
  /** The journal is durable up to there. */
  #durable: number;
  /** Posts in doubt that no replica was there to be told of: the next one to join is. */
  #doubts: DoubtfulPost[] = [];
  /** In order. */
  readonly #unwritten: LedgerEntry[] = [];
  /** When the desk is looked after next; null where nobody waits. */
  #wakeUs: Micros | null = null;
  #toldTrouble: string | null = null;
  /** Work within which nothing is sent, but at its end. */
  #isBusy = false;

  constructor(options: LedgerKeeperOptions) {
    const { createJournal, nowUs, after, trouble = () => null, ...ledger } = options;
    this.#nowUs = nowUs;
    this.#after = after;
    this.#trouble = trouble;
    this.#durable = ledger.state.sequence;
    this.#desk = new LeaseDesk({
      ...ledger,
      // One that joins is told of it all with what it begins with.
      tell: (replica, event) => void this.#replicas.get(replica)?.events.push(event),
    });
    this.#journal = createJournal((event) => this.#onJournal(event));
    this.#together(() => this.#close(this.#desk.begin(nowUs())));
  }

  /** Of all replicas. */
  get openHolds(): number {
    return this.#desk.openHolds;
  }

  /** A new life of a replica, which is sent what it begins with. A name is never used again. */
  join(replica: string, send: (message: KeeperMessage) => void): void {
    this.#together(() => {
      const heardUs = this.#nowUs();
      const restored = this.#desk.join(replica, heardUs);
      const events: SupervisorEvent[] = [restored];
      if (this.#doubts.length > 0) events.push({ kind: "doubts_left", posts: this.#doubts });
      this.#doubts = [];
      this.#replicas.set(replica, { send, events, heardUs });
    });
    if (this.#toldTrouble !== null) send({ kind: "trouble", words: this.#toldTrouble });
  }

  /** One that has left is not listened to: what it held is posted already. */
  receive(name: string, message: ReplicaMessage): void {
    const replica = this.#replicas.get(name);
    if (replica === undefined) return;
    replica.heardUs = this.#nowUs();
    this.#together(() => {
      if (message.kind === "ledger") for (const item of message.items) this.#take(name, item);
      if (message.kind === "touch")
        replica.events.push({
          kind: "ledger_touched",
          sentUs: message.sentUs,
          ledgerUs: this.#desk.clock(this.#nowUs()),
        });
    });
  }

  /** Its process has ended, however: nothing of it can happen any more. */
  leave(replica: string): void {
    if (!this.#replicas.delete(replica)) return;
    this.#together(() => this.#close(this.#desk.leave(replica, this.#nowUs())));
  }

  /** Replicas that nothing was heard of for so long that their process has to be ended; they leave when it has. */
  silent(): string[] {
    const sinceUs = this.#nowUs() - LEASE_TTL_US;
    return [...this.#replicas].flatMap(([name, { heardUs }]) => (heardUs <= sinceUs ? [name] : []));
  }

  /** Limits were changed in the file. */
  limitsChanged(limits: readonly LimitRow[], known: Known): void {
    this.#together(() => this.#desk.setLimits(limits, known));
  }

  /** Rates were changed at run time; replicas hear of that by themselves. */
  setRates(rates: Rates): void {
    this.#desk.setRates(rates);
  }

  /** Sends it to every replica, behind what was sent before. */
  sendAll(message: KeeperMessage): void {
    for (const { send } of this.#replicas.values()) send(message);
  }

  #take(replica: string, item: LedgerItem): void {
    if ("kind" in item) this.#desk.order(replica, item, this.#nowUs());
    // It changes nothing, so it is as durable as what came before it: nobody else may say so.
    else if (this.#desk.append(replica, item) === null) this.#desk.durable(this.#durable);
    this.#write();
  }

  /** The journal may answer within, and the desk have more to write then: that goes behind what it had before. */
  #write(): void {
    this.#unwritten.push(...this.#desk.takeEntries());
    for (let entry = this.#unwritten.shift(); entry !== undefined; entry = this.#unwritten.shift()) {
      this.#journal.append({ kind: "append_ledger", entry });
    }
  }

  /** Posts in doubt: the desk has told one of the replicas of them, if there is any. */
  #close(posts: readonly LedgerEntry[]): void {
    this.#write();
    if (this.#replicas.size > 0) return;
    for (const { hold, account, model, heldAtUs, charge, parts } of posts) {
      this.#doubts.push({ hold, account, model, heldAtUs, charge, parts });
    }
    this.#doubts = this.#doubts.slice(-IN_DOUBT_MAX);
  }

  #onJournal(event: SupervisorEvent): void {
    if (event.kind !== "ledger_durable") return;
    this.#durable = event.through;
    this.#together(() => this.#desk.durable(event.through));
  }

  /** What comes of it is sent at the end, one message to each replica; so it is where the journal answers within. */
  #together(work: () => void): void {
    if (this.#isBusy) return work();
    this.#isBusy = true;
    try {
      work();
      this.#lookAfterDesk();
    } finally {
      this.#isBusy = false;
    }
    this.#flush();
  }

  #lookAfterDesk(): void {
    const nowUs = this.#nowUs();
    const dueUs = this.#desk.tick(nowUs);
    this.#write();
    if (dueUs === null) return;
    // Nobody can be asked to call back much later.
    const wakeUs = Math.min(dueUs, nowUs + WAKE_US_MAX);
    if (this.#wakeUs !== null && this.#wakeUs <= wakeUs) return;
    this.#wakeUs = wakeUs;
    this.#after(Math.max(wakeUs - nowUs, 0), () => {
      if (this.#wakeUs === wakeUs) this.#wakeUs = null;
      this.#together(() => {});
    });
  }

  #flush(): void {
    for (const replica of this.#replicas.values()) {
      if (replica.events.length === 0) continue;
      const { events } = replica;
      replica.events = [];
      replica.send({ kind: "events", events });
    }
    const words = this.#trouble();
    if (words === this.#toldTrouble) return;
    this.#toldTrouble = words;
    this.sendAll({ kind: "trouble", words });
  }
}
