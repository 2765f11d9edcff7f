import type { AppendLedger, OrderLease } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { Submit } from "../../supervisor/loop.ts";
import type { LedgerPort } from "../../supervisor/ports.ts";
import type { LedgerItem, ReplicaMessage } from "./messages.ts";

export interface RemoteLedgerOptions {
  send: (message: ReplicaMessage) => void;
  submit: Submit;
  /** Calls back at the end of this turn: what is appended until then goes in one message. */
  defer: (callback: () => void) => void;
  nowUs: () => Micros;
}

/**
 * The ledger of a replica, which another process keeps. What one turn appends and orders is sent together:
 *
 * ```
 *            append, order            end of the turn
 *   nothing ───────────────▶ collected ─────────────▶ sent, until `ledger_durable` says that it is safe
 * ```
 */
export class RemoteLedger implements LedgerPort {
  readonly #options: RemoteLedgerOptions;
  #collected: LedgerItem[] = [];
  /** Numbers of the last entry that was appended, and of the last one that is durable. */
  #appended = 0;
  #durable = 0;
  #waitingForQuiet: (() => void)[] = [];

  constructor(options: RemoteLedgerOptions) {
    this.#options = options;
  }

  /** Entries appended and not durable yet. */
  get pending(): number {
    return this.#appended - this.#durable;
  }

  append({ entry }: AppendLedger): void {
    // The first one says where its numbers begin.
    if (this.#appended === 0) this.#durable = entry.sequence - 1;
    this.#appended = entry.sequence;
    this.#collect(entry);
  }

  order({ order }: OrderLease): void {
    this.#collect(order);
  }

  /** What whoever keeps the ledger has sent. */
  receive(events: readonly SupervisorEvent[]): void {
    for (const event of events) {
      if (event.kind === "ledger_durable") this.#durable = event.through;
      this.#options.submit(event);
    }
    if (this.pending === 0) this.#settle();
  }

  /** Says that it is there; `ledger_touched` says that whoever keeps the ledger is. */
  touch(): void {
    this.#options.send({ kind: "touch", sentUs: this.#options.nowUs() });
  }

  /** Resolves once everything appended so far, and whatever is appended until then, is durable. */
  quiet(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waitingForQuiet.push(resolve);
    return promise;
  }

  #collect(item: LedgerItem): void {
    if (this.#collected.push(item) === 1) this.#options.defer(() => this.#send());
  }

  #send(): void {
    const items = this.#collected;
    this.#collected = [];
    this.#options.send({ kind: "ledger", items });
  }

  #settle(): void {
    const waiting = this.#waitingForQuiet;
    this.#waitingForQuiet = [];
    for (const resolve of waiting) resolve();
  }
}
