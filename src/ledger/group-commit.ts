import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import { placeOfSlice } from "../core/budget/slice.ts";
import type { AppendLedger } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { LedgerPort } from "../supervisor/ports.ts";

/**
 * - `awaited`: somebody waits for an entry of the group, a packet for its hold;
 * - `relaxed`: nobody does, so the group may grow for a while;
 * - `retry`: the group could not be written, and nothing can be behind it before it is.
 */
export type Urgency = "awaited" | "relaxed" | "retry";

/** What groups are written to: a file, or a virtual disk in the simulator. */
export interface CommitStore {
  /**
   * Writes the group, all of it or nothing, behind the one before. Calls `done` once it would survive
   * a crash, or with what went wrong, at once or later; the same group is then written again.
   */
  write(group: readonly LedgerEntry[], done: (error: Error | null) => void): void;
  /** Calls back when it is time to write: the store trades latency for larger groups. */
  defer(callback: () => void, urgency: Urgency): void;
}

/**
 * Makes entries durable in groups. One group is being written at any time; what is appended
 * meanwhile goes into the next, in order.
 *
 * ```
 *             append            the store's time has come         done
 *   empty ─────────────▶ open ──────────────────────────▶ writing ─────▶ empty, or open when more came
 *                                                         ▲     │
 *                                                         └─────┘ error: the same group once more
 * ```
 */
export class GroupCommit implements LedgerPort {
  readonly #store: CommitStore;
  readonly #submit: (event: SupervisorEvent) => void;
  readonly #tellsAll: boolean;
  #open: LedgerEntry[] = [];
  /** Whether a packet waits for an entry of the open group. */
  #isAwaited = false;
  #isWriting = false;
  #waitingForQuiet: (() => void)[] = [];
  /** Entries appended and not durable yet. */
  #pending = 0;

  /** Says of groups that a packet waits for that they are durable; with `tellsAll`, of every group. */
  constructor(store: CommitStore, submit: (event: SupervisorEvent) => void, { tellsAll = false } = {}) {
    this.#store = store;
    this.#submit = submit;
    this.#tellsAll = tellsAll;
  }

  get pending(): number {
    return this.#pending;
  }

  append({ entry }: AppendLedger): void {
    const isFirst = this.#open.push(entry) === 1;
    const isFirstAwaited = isAwaited(entry) && !this.#isAwaited;
    this.#pending++;
    this.#isAwaited ||= isFirstAwaited;
    if (!this.#isWriting && (isFirst || isFirstAwaited)) this.#defer();
  }

  /** Whoever has the ledger to itself has no leases. */
  order(): never {
    throw new Error("there are leases only where supervisors share a ledger");
  }

  /** Resolves once everything appended so far, and whatever is appended until then, is durable. */
  quiet(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waitingForQuiet.push(resolve);
    this.#writeOpen();
    return promise;
  }

  /** A group may ask twice, as relaxed and then as awaited: the later answer finds it gone. */
  #defer(): void {
    const group = this.#open;
    const write = (): void => {
      if (group === this.#open) this.#writeOpen();
    };
    this.#store.defer(write, this.#isAwaited ? "awaited" : "relaxed");
  }

  #writeOpen(): void {
    if (this.#isWriting || this.#open.length === 0) return;
    const group = this.#open;
    const wasAwaited = this.#isAwaited;
    this.#open = [];
    this.#isAwaited = false;
    this.#isWriting = true;
    this.#write(group, wasAwaited);
  }

  #write(group: readonly LedgerEntry[], wasAwaited: boolean): void {
    this.#store.write(group, (error) => {
      if (error !== null) return this.#store.defer(() => this.#write(group, wasAwaited), "retry");
      this.#isWriting = false;
      this.#pending -= group.length;
      // The answer may append to the next group, which need not wait for the one after.
      if (wasAwaited || this.#tellsAll)
        this.#submit({ kind: "ledger_durable", through: group.at(-1)!.sequence });
      if (this.#pending === 0) this.#settle();
      else if (this.#waitingForQuiet.length > 0) this.#writeOpen();
      else if (!this.#isWriting) this.#defer();
    });
  }

  #settle(): void {
    const waiting = this.#waitingForQuiet;
    this.#waitingForQuiet = [];
    for (const resolve of waiting) resolve();
  }
}

/** Packets wait for what is held before they start or go on, and whoever closes a slice for that; nobody for anything else. */
export function isAwaited({ operation, hold }: LedgerEntry): boolean {
  if (operation === "reserve" || operation === "extend") return true;
  return operation === "void" && placeOfSlice(hold) !== null;
}
