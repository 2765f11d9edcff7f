import type { LedgerRestored } from "../../core/events.ts";
import type { Versions } from "../changes.ts";
import type { KeeperMessage } from "./messages.ts";

/** What a replica begins with. */
export interface Beginning {
  restored: Omit<LedgerRestored, "kind">;
  /** Limits in it, and keys, are known up to these versions. */
  told: Versions;
}

/**
 * What the keeper has sent to a replica that is not ready for it yet.
 *
 * ```
 *   ledger_restored ──▶ versions ──▶ beginning ──▶ whatever comes waits ──deliverTo──▶ handled as it comes
 * ```
 */
export class Inbox {
  readonly beginning: Promise<Beginning>;
  readonly #begin: (beginning: Beginning) => void;
  #restored: LedgerRestored | null = null;
  #waiting: KeeperMessage[] = [];
  #handle: ((message: KeeperMessage) => void) | null = null;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Beginning>();
    this.beginning = promise;
    this.#begin = resolve;
  }

  take(message: KeeperMessage): void {
    if (this.#handle !== null) return this.#handle(message);
    if (this.#restored === null) return this.#takeFirst(message);
    this.#waiting.push(message);
    const { kind: _kind, ...restored } = this.#restored;
    // Only the first one counts.
    if (message.kind === "keys") this.#begin({ restored, told: message.through });
  }

  /** What has waited, and then all that comes. */
  deliverTo(handle: (message: KeeperMessage) => void): void {
    this.#handle = handle;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) handle(message);
  }

  #takeFirst(message: KeeperMessage): void {
    if (message.kind !== "events" || message.events[0]?.kind !== "ledger_restored") {
      throw new Error("a replica is told first what it begins with");
    }
    const [restored, ...rest] = message.events;
    this.#restored = restored;
    if (rest.length > 0) this.#waiting.push({ kind: "events", events: rest });
  }
}
