import type { Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import { type Micros, seconds } from "../../core/units.ts";
import type { Book } from "../checkers/book.ts";
import { isSame } from "../checkers/book.ts";
import type { Violate } from "../checkers/checker.ts";
import { isAtOrBelow } from "../checkers/paths.ts";
import type { BookedSlice } from "../checkers/slices-book.ts";
import { sliceOf } from "../ids.ts";

/** So long after its time a slice may still be drawn on: by who does not hear of it, until he is taken for dead. */
const LATE_US: Micros = seconds(15);

/** Where a slice is in the journal: `closed` is infinite as long as it is open. */
export interface SliceSpan {
  account: string;
  opened: number;
  closed: number;
  amounts: Charge;
  /** What was left when it was closed. */
  released: Charge;
}

/** What was ever asked for: openings by account, and closings. */
export interface AskedOfSlices {
  opened: ReadonlyMap<string, readonly Charge[]>;
  closed: ReadonlySet<string>;
}

/**
 * Slices in the journal of several supervisors, beside what holds for every ledger: each was asked for, is closed because somebody
 * wanted that or its time was over, after those inside it, and is not drawn on for long after its time.
 */
export class JournalSlices {
  readonly #violate: Violate;
  readonly #book: () => Book;
  readonly #asked: AskedOfSlices;
  #spans = new Map<string, SliceSpan>();
  #length = 0;

  constructor(violate: Violate, { book, asked }: { book: () => Book; asked: AskedOfSlices }) {
    this.#violate = violate;
    this.#book = book;
    this.#asked = asked;
  }

  /** Those that are open. */
  get open(): BookedSlice[] {
    return [...this.#book().slices.open.values()];
  }

  get spans(): Iterable<SliceSpan> {
    return this.#spans.values();
  }

  restOf(slice: BookedSlice): Charge {
    return this.#book().slices.restOf(slice);
  }

  /** Whether anything was ever done there or below. */
  isKnown(account: string): boolean {
    return [...this.#book().accounts].some((name) => isAtOrBelow(name, account));
  }

  /** A new life of the keeper begins with these. */
  begin(entries: readonly LedgerEntry[]): void {
    this.#spans = new Map();
    this.#length = 0;
    for (const entry of entries) this.#note(entry);
  }

  /** The book has the entry already. */
  apply(entry: LedgerEntry): void {
    this.#note(entry);
    const { hold, operation } = entry;
    const slice = sliceOf(hold);
    if (slice === null) return this.#checkTimes(entry);
    const { account, expiresUs } = slice;
    if (operation === "reserve") {
      const asked = this.#asked.opened.get(account) ?? [];
      if (!asked.some((charge) => isSame(charge, entry.charge)))
        this.#violate(null, `${hold} is opened as nobody has asked`);
      return;
    }
    if (this.open.some((other) => isAtOrBelow(other.account, account)))
      this.#violate(null, `${hold} is closed before one inside it`);
    const isAsked = [...this.#asked.closed].some((name) => isAtOrBelow(account, name));
    if (!isAsked && entry.atUs < expiresUs) this.#violate(null, `${hold} is closed before its time`);
  }

  #note({ hold, operation, charge }: LedgerEntry): void {
    this.#length++;
    const slice = sliceOf(hold);
    if (slice === null) return;
    const { account } = slice;
    const before = this.#spans.get(hold);
    const span: SliceSpan =
      operation === "reserve" || before === undefined
        ? { account, opened: this.#length, closed: Infinity, amounts: charge, released: charge }
        : { ...before, closed: this.#length, released: charge };
    this.#spans.set(hold, span);
  }

  #checkTimes({ hold, operation, account, atUs }: LedgerEntry): void {
    if (operation !== "reserve" && operation !== "extend") return;
    for (const { id, expiresUs } of this.#book().slices.around(account)) {
      if (atUs <= expiresUs + LATE_US) continue;
      this.#violate(null, `hold ${hold} takes from ${id}, whose time is long over`);
    }
  }
}
