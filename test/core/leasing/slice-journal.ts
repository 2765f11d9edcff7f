import assert from "node:assert/strict";
import { NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import { placeOfSlice } from "../../../src/core/budget/slice.ts";
import { isWithin, partsOf, SliceBook } from "../rules/slice-book.ts";

/** Reads the journal of a ledger with slices into the second book, and holds every entry to what it may do. */
export class SliceJournal {
  readonly book = new SliceBook();
  readonly closed = new Set<string>();
  /** Slices that were opened, by what the ledger says. */
  opened = 0;
  #latestUs = 0;
  #read = 0;

  constructor(limits: readonly LimitRow[]) {
    for (const row of limits) this.book.setLimit(row);
  }

  /** All that was not read before. */
  read(journal: readonly LedgerEntry[]): void {
    for (; this.#read < journal.length; this.#read++) this.#take(journal[this.#read]!);
  }

  #take(entry: LedgerEntry): void {
    const { book } = this;
    const { operation, hold, account, atUs, charge } = entry;
    this.#latestUs = Math.max(this.#latestUs, atUs);
    const slice = placeOfSlice(hold);
    const before = this.#used(account, atUs);
    if (slice !== null && operation === "reserve") {
      const isUsed = [...book.held, ...book.posted].some(({ account: name, charge: amounts }) => {
        return isWithin(name, slice.account) && Object.values(amounts).some((amount) => amount > 0);
      });
      assert(!isUsed, `${slice.account} is nobody's before`);
      assert(!book.slices.some((other) => other.account === slice.account));
      book.open({ id: hold, account: slice.account, atUs, amounts: partsOf(charge) });
      this.opened++;
    } else if (slice !== null) {
      const open = book.slices.find(({ id }) => id === hold)!;
      assert.equal(operation, "void");
      assert(!book.slices.some((other) => other !== open && isWithin(other.account, open.account)));
      assert.deepEqual(partsOf(charge), book.restOf(open), "what is left of a slice comes free");
      book.closeSlices(slice.account);
      this.closed.add(slice.account);
    } else if (operation === "void" || operation === "post") {
      book.close(hold, operation === "void" ? NOTHING : charge);
    } else {
      book.hold({ hold, account, atUs, charge });
    }
    assert(!book.isOverdrawn(), `${operation} of ${hold} takes more than a slice has`);
    if (operation !== "reserve" && operation !== "extend") return;
    const name = slice?.account ?? account;
    assert(![...this.closed].some((other) => isWithin(name, other)), `${name} is closed`);
    for (const [i, { row, atUs: whenUs, amount }] of this.#used(account, atUs).entries()) {
      const isMore = amount > (before[i]?.amount ?? 0n);
      const where = `${row.unit} of ${row.account} per ${row.window}`;
      assert(!isMore || amount <= BigInt(row.amount!), `${hold} takes ${where} to ${amount} at ${whenUs}`);
    }
  }

  /** Under each limit on the path, at that instant and at the latest of all: entries come in no order of time. */
  #used(account: string, atUs: number) {
    return this.book.limitsOn(account).flatMap((row) => {
      return [atUs, this.#latestUs].map((us) => ({ row, atUs: us, amount: this.book.usedUnder(row, us) }));
    });
  }
}
