import type { LedgerEntry } from "../budget/ledger-entry.ts";
import { PathIndex } from "../budget/path-index.ts";
import { parentOf } from "../budget/paths.ts";
import { closedView, releasedView } from "../budget/slice-rules.ts";
import { SLICE_MODEL } from "../budget/slice.ts";
import type { OpenSlice } from "../budget/slices.ts";
import type { Micros } from "../units.ts";
import { type SliceAsker, type SliceHost, type SliceParts, tellAll } from "./slice-host.ts";

/** While so many are being closed, those whose time is over wait, so that others are answered in between. */
const CLOSING_MAX = 256;

interface Closing {
  readonly number: number;
  readonly account: string;
  /** Replicas that have not said yet that nothing takes from it any more. */
  readonly unheard: Set<string>;
  /** Who wants to know; those that name this very account hear what has come free. */
  readonly asked: SliceAsker[];
}

/**
 * Closes slices that several supervisors draw on.
 *
 * ```
 *   asked to, or its time is over ──▶ closing: told to all ──all have said so, or have left──▶ closed, with those inside
 * ```
 */
export class SliceClosings {
  readonly #host: SliceHost;
  readonly #parts: SliceParts;
  readonly #closings = new Map<number, Closing>();
  readonly #index = new PathIndex<Closing>();
  /** Those that all have said of that they know. */
  readonly #left = new Set<Closing>();
  /** When those that are open and not being closed expire, by account. */
  readonly #expiries = new Map<string, Micros>();
  readonly #expiring = new PathIndex<string>();
  /** None of them expires before that. */
  #firstExpiryUs: Micros = 0;

  constructor(parts: SliceParts) {
    this.#parts = parts;
    this.#host = parts.host;
    for (const slice of parts.host.books.accounts.slices.open) this.expire(slice);
  }

  /** It is open, and closed by itself at that time of the ledger. */
  expire({ account, expiresUs }: { account: string; expiresUs: Micros }): void {
    this.#expiries.set(account, expiresUs);
    this.#expiring.add(account, account);
    this.#firstExpiryUs = Math.min(this.#firstExpiryUs, expiresUs);
  }

  /** Whether it is about to be closed, or what is around it. */
  isClosing(account: string): boolean {
    return this.#around(account) !== undefined;
  }

  /**
   * When the next one expires, by the machine's clock; null for never, or not before others are closed. A ledger's clock that is
   * ahead of it stands still until then, so that both show the same.
   */
  dueUs(nowUs: Micros): Micros | null {
    if (this.#expiries.size === 0 || this.#closings.size >= CLOSING_MAX) return null;
    return Math.max(nowUs, this.#firstExpiryUs);
  }

  /** The replica has said in its line that it knows. */
  left(replica: string, closing: number): void {
    const left = this.#closings.get(closing);
    if (left !== undefined) this.#hear(left, replica);
  }

  /** Nobody waits for the word of a replica that is gone. */
  gone(replica: string): void {
    for (const closing of this.#closings.values()) this.#hear(closing, replica);
  }

  /** `asked` is null where its time is over. Returns false where there is nothing to close. */
  close(account: string, asked: SliceAsker | null): boolean {
    const askers = asked === null ? [] : [asked];
    const under = this.#around(account);
    if (under !== undefined) {
      under.asked.push(...askers);
      return true;
    }
    if (this.#host.books.accounts.slices.find(account) === null) return false;
    const number = this.#parts.nextNumber();
    const unheard = new Set(this.#host.replicas());
    const closing: Closing = { number, account, unheard, asked: askers };
    this.#closings.set(number, closing);
    this.#index.add(account, closing);
    if (unheard.size === 0) this.#left.add(closing);
    for (const name of this.#expiring.within(account)) {
      this.#expiries.delete(name);
      this.#expiring.delete(name, name);
    }
    tellAll(this.#host, { kind: "slice_closing", closing: number, account });
    return true;
  }

  closeExpired(nowUs: Micros): void {
    const clockUs = this.#host.books.clock(nowUs);
    if (clockUs < this.#firstExpiryUs) return;
    let firstUs = Infinity;
    for (const [account, expiresUs] of this.#expiries) {
      if (this.#closings.size >= CLOSING_MAX) return;
      if (expiresUs <= clockUs) this.close(account, null);
      else firstUs = Math.min(firstUs, expiresUs);
    }
    this.#firstExpiryUs = firstUs;
  }

  /** Those that nobody draws on any more. Returns whether there were any. */
  end(nowUs: Micros): boolean {
    if (this.#left.size === 0) return false;
    for (const closing of this.#left) {
      this.#left.delete(closing);
      this.#closings.delete(closing.number);
      this.#index.delete(closing.account, closing);
      this.#end(closing, nowUs);
    }
    this.#host.freed(nowUs);
    return true;
  }

  /** The outermost that is around the account, or of it. */
  #around(account: string): Closing | undefined {
    return this.#index.above(account)[Symbol.iterator]().next().value;
  }

  #hear(closing: Closing, replica: string): void {
    closing.unheard.delete(replica);
    if (closing.unheard.size === 0) this.#left.add(closing);
  }

  /** Those inside it are closed first, so that what they have left is in what comes free. */
  #end({ account, asked }: Closing, nowUs: Micros): void {
    const { answers, host } = this.#parts;
    const within = host.books.accounts.slices.within(account);
    within.sort((a, b) => b.account.length - a.account.length);
    let last: { slice: OpenSlice; entry: LedgerEntry } | null = null;
    for (const { account: name } of within) last = this.#void(name, nowUs);
    for (const { account: named, ...asker } of asked) {
      // Where the one around it was closed before, this one hears no more than that.
      const isItself = last !== null && named === account;
      const slice = isItself ? releasedView(last!.slice, last!.entry.charge) : closedView(named);
      answers.answer({ ...asker, slice });
    }
  }

  #void(account: string, nowUs: Micros): { slice: OpenSlice; entry: LedgerEntry } {
    const { books, append } = this.#host;
    const slice = books.accounts.slices.find(account)!;
    const entry = append({
      operation: "void",
      hold: slice.id,
      account: parentOf(account)!,
      model: SLICE_MODEL,
      charge: slice.rest,
      atUs: books.clock(nowUs),
      heldAtUs: slice.atUs,
    });
    this.#parts.answers.wrote(entry.sequence);
    return { slice, entry };
  }
}
