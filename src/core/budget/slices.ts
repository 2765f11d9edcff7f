import { assert } from "../assert.ts";
import type { ChurnMap } from "../churn.ts";
import type { Micros } from "../units.ts";
import type { Hold } from "./accounts.ts";
import { type Charge, isNothing, least, minus, plus } from "./charge.ts";
import { PathIndex } from "./path-index.ts";
import { parentOf } from "./paths.ts";
import {
  chargeOf,
  type Cover,
  coverBy,
  type Draw,
  placeOfSlice,
  SLICE_PARTS,
  type SliceTerms,
} from "./slice.ts";

/** Sub-accounts that are remembered as closed, the latest: a request for one of them is a mistake. */
export const CLOSED_MAX = 10_000;

/** A slice that is open. */
export interface OpenSlice extends SliceTerms {
  /** What nobody has drawn. */
  readonly rest: Charge;
}

/** What of accounts a slice changes: its own hold, and what is held above it. */
export interface SliceBooks {
  readonly holds: ChurnMap<string, Hold>;
  addHeld(account: string, atUs: Micros, charge: Charge, sign: 1 | -1): void;
  /** Whether the account, or one below it, holds anything. */
  isHolding(account: string): boolean;
}

/**
 * Slices of a budget: open holds like others, on the account above the one that each is for. What is charged below is drawn
 * from them, so that together they hold as much as before.
 *
 * ```
 *   reserve slice/a/b ──▶ open ───── reserve, extend below a/b: its share leaves the slice for the hold that draws it
 *                          │  ▲
 *                          │  └───── post, void below: what was drawn and not used comes back
 *                        void
 *                          ▼
 *                        closed: the rest is free, or goes back to the slice around it; what is drawn stays held
 * ```
 *
 * All of it follows from the ledger's entries, in their order. Invariant: whatever a hold has drawn, the slice is open, for
 * what was drawn from one that is closed is then drawn from the slices that it had been drawn from itself.
 */
export class Slices {
  readonly #books: SliceBooks;
  /** Holds of those that are open, by sub-account. */
  readonly #open = new Map<string, string>();
  readonly #index = new PathIndex<string>();
  readonly #closed: Set<string>;

  constructor(books: SliceBooks, closed: readonly string[]) {
    this.#books = books;
    this.#closed = new Set(closed);
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Those that are open, as they were opened. */
  get open(): OpenSlice[] {
    return Array.from(this.#open.keys(), (account) => this.find(account)!);
  }

  /** Those at or below an account. */
  within(account: string): OpenSlice[] {
    return Array.from(this.#index.within(account), (name) => this.find(name)!);
  }

  countWithin(account: string): number {
    return this.#index.within(account).size;
  }

  /** Sub-accounts that were closed, as far as that is remembered. */
  get closed(): ReadonlySet<string> {
    return this.#closed;
  }

  /** The slice of that very account; null where none is open. */
  find(account: string): OpenSlice | null {
    const id = this.#open.get(account);
    if (id === undefined) return null;
    const { charge, amounts, parts } = this.#hold(id);
    assert(amounts !== undefined, `${id} is a slice`);
    return { ...placeOfSlice(id)!, id, amounts, rest: charge, atUs: parts[0]!.atUs };
  }

  /** The outermost account from there up that was closed; null where none was. */
  closedAbove(account: string): string | null {
    return outermostIn(this.#closed, account);
  }

  /** Slices from that account up, the innermost first. */
  around(account: string): OpenSlice[] {
    const slices: OpenSlice[] = [];
    for (let at: string | null = account; at !== null; at = parentOf(at)) {
      const slice = this.find(at);
      if (slice !== null) slices.push(slice);
    }
    return slices;
  }

  /** Null where no slice is around the account. */
  coverOf(account: string): Cover<OpenSlice> | null {
    return this.#open.size === 0 ? null : coverBy(this.around(account));
  }

  /** A hold, if it is a slice, is one from now on. */
  began({ id }: Hold): void {
    const place = placeOfSlice(id);
    if (place === null) return;
    this.#open.set(place.account, id);
    this.#index.add(place.account, place.account);
  }

  /** Takes what is charged there out of the slices around it. Returns what the hold has drawn in all, with what it had before. */
  draw(account: string, charge: Charge, before: readonly Draw[]): readonly Draw[] {
    const cover = this.coverOf(account);
    if (cover === null) return before;
    const draws = [...before];
    for (const slice of new Set(Object.values(cover))) {
      if (slice === null) continue;
      const mine = SLICE_PARTS.filter((part) => cover[part]?.id === slice.id);
      const share = chargeOf(Object.fromEntries(mine.map((part) => [part, charge[part]])));
      const drawn = least(share, slice.rest);
      if (isNothing(drawn)) continue;
      this.#change(slice.id, drawn, -1);
      addDraw(draws, { slice: slice.id, charge: drawn });
    }
    return draws;
  }

  /** A hold has ended, and so much of it was posted: what it has drawn and not used goes back. */
  ended(hold: Hold, posted: Charge): void {
    const { amounts, charge, draws } = hold;
    if (amounts !== undefined) this.#close(hold);
    // Of a slice, all that was drawn from it is gone, too.
    let gone = amounts === undefined ? posted : plus(minus(amounts, charge), posted);
    for (const { slice, charge: drawn } of draws ?? []) {
      const used = least(gone, drawn);
      gone = minus(gone, used);
      this.#change(slice, minus(drawn, used), 1);
    }
  }

  #close({ id, draws: outer = [] }: Hold): void {
    const { account } = placeOfSlice(id)!;
    this.#open.delete(account);
    this.#index.delete(account, account);
    rememberClosed(this.#closed, account);
    // Where nothing is held below, nobody has to be looked for among all holds.
    if (!this.#books.isHolding(account)) return;
    for (const hold of this.#books.holds.values()) {
      const drawn = hold.draws?.find(({ slice }) => slice === id);
      if (drawn === undefined) continue;
      const draws = hold.draws!.filter((draw) => draw !== drawn);
      for (const { slice, charge } of outer) addDraw(draws, { slice, charge: least(drawn.charge, charge) });
      this.#books.holds.set(hold.id, { ...hold, draws });
    }
  }

  /** What is left of a slice counts at the instant at which it was opened, however long ago that is. */
  #change(id: string, charge: Charge, sign: 1 | -1): void {
    if (isNothing(charge)) return;
    const slice = this.#hold(id);
    const { atUs } = slice.parts[0]!;
    const rest = sign === 1 ? plus(slice.charge, charge) : minus(slice.charge, charge);
    this.#books.holds.set(id, { ...slice, charge: rest, parts: [{ atUs, charge: rest }] });
    this.#books.addHeld(slice.account, atUs, charge, sign);
  }

  #hold(id: string): Hold {
    const hold = this.#books.holds.get(id);
    assert(hold !== undefined, `${id} is open`);
    return hold;
  }
}

/** The outermost account from there up that is among those; null where none is. */
export function outermostIn(accounts: ReadonlySet<string>, account: string): string | null {
  let outermost: string | null = null;
  if (accounts.size === 0) return outermost;
  for (let at: string | null = account; at !== null; at = parentOf(at)) if (accounts.has(at)) outermost = at;
  return outermost;
}

/** Adds it to those that are remembered as closed. */
export function rememberClosed(closed: Set<string>, account: string): void {
  closed.add(account);
  for (const oldest of closed) {
    if (closed.size <= CLOSED_MAX) return;
    closed.delete(oldest);
  }
}

/** One for each slice. */
export function addDraw(draws: Draw[], { slice, charge }: Draw): void {
  if (isNothing(charge)) return;
  const at = draws.findIndex((draw) => draw.slice === slice);
  if (at < 0) draws.push({ slice, charge });
  else draws[at] = { slice, charge: plus(draws[at]!.charge, charge) };
}
