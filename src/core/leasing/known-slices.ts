import type { Account } from "../budget/accounts.ts";
import type { Charge } from "../budget/charge.ts";
import { least, minus } from "../budget/charge.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce } from "../budget/limit-tree.ts";
import type { LimitUnit } from "../budget/limits.ts";
import { PathIndex } from "../budget/path-index.ts";
import { isAtOrBelow, parentOf } from "../budget/paths.ts";
import { isAbove, limitOf } from "../budget/slice-check.ts";
import {
  chargeOf,
  type Cover,
  coverBy,
  type Draw,
  placeOfSlice,
  SLICE_PARTS,
  type SlicePart,
  type SliceTerms,
  UNIT_OF,
} from "../budget/slice.ts";
import { addDraw, outermostIn, rememberClosed } from "../budget/slices.ts";
import type { SliceComing, SlicesKnown } from "../events.ts";

/** One unit of a slice, as the limit that it is to whoever draws on it. */
export interface SliceInForce extends LimitInForce {
  readonly slice: string;
}

/** A slice that is open, with a place for leases in each of its parts. */
export interface KnownSlice extends SliceTerms {
  readonly places: readonly (SliceInForce & { part: SlicePart })[];
}

/**
 * What one replica knows of slices: all of them but what is left, which the desk alone can tell. The desk has the same for
 * each replica, as of where it reads that replica's line, so that both count alike.
 *
 * ```
 *   slice_coming ──▶ coming: nothing there takes anything ──slice_settled──▶ open, or as if nothing had been
 *                                                                             │
 *                                                        slice_closing ───────▼
 *                                                        closed: nothing new; what is held goes on
 * ```
 */
export class KnownSlices {
  readonly #account: (name: string) => Account;
  readonly #open = new Map<string, KnownSlice>();
  readonly #index = new PathIndex<KnownSlice>();
  /** Accounts, by the number of the opening. */
  readonly #coming = new Map<number, string>();
  readonly #closed: Set<string>;
  /** What open holds of the replica have taken from slices. */
  readonly #draws = new Map<string, readonly Draw[]>();

  /** `account` finds an account by its name. */
  constructor({ open, coming, closed }: SlicesKnown, account: (name: string) => Account) {
    this.#account = account;
    this.#closed = new Set(closed);
    for (const slice of open) this.opened(slice);
    for (const each of coming) this.expect(each);
  }

  get open(): Iterable<KnownSlice> {
    return this.#open.values();
  }

  expect({ opening, account }: Omit<SliceComing, "kind">): void {
    this.#coming.set(opening, account);
  }

  /** What was to come has come, or does not. Returns its account. */
  settled(opening: number, slice: SliceTerms | null): string {
    const account = this.#coming.get(opening)!;
    this.#coming.delete(opening);
    if (slice !== null) this.opened(slice);
    return account;
  }

  opened(slice: SliceTerms): void {
    const { id, account, amounts } = slice;
    const places = SLICE_PARTS.filter((part) => amounts[part] > 0).map((part) => {
      const inForce = { account: this.#account(account), counted: null, plenty: 0 };
      return { ...inForce, limit: limitOf(slice, part), unit: UNIT_OF[part], part, slice: id };
    });
    // What was closed so long ago that nobody else remembers it may be opened once more.
    this.#closed.delete(account);
    const known = { ...slice, places };
    this.#open.set(account, known);
    this.#index.add(account, known);
  }

  /** Closes the account's slice, and those inside it, which are returned. */
  close(account: string): KnownSlice[] {
    const within = [...this.#index.within(account)];
    for (const slice of within) {
      this.#open.delete(slice.account);
      this.#index.delete(slice.account, slice);
      rememberClosed(this.#closed, slice.account);
    }
    return within;
  }

  /** The account of a slice to come, from there up; null where none is. */
  comingAbove(account: string): string | null {
    if (this.#coming.size === 0) return null;
    return this.#coming.values().find((coming) => isAtOrBelow(account, coming)) ?? null;
  }

  /** The outermost account from there up that was closed; null where none was. */
  closedAbove(account: string): string | null {
    return outermostIn(this.#closed, account);
  }

  /** Slices from that account up, the innermost first. */
  around(account: string): KnownSlice[] {
    const slices: KnownSlice[] = [];
    if (this.#open.size === 0) return slices;
    for (let at: string | null = account; at !== null; at = parentOf(at)) {
      const slice = this.#open.get(at);
      if (slice !== undefined) slices.push(slice);
    }
    return slices;
  }

  /** Null where no slice is around the account. */
  coverOf(account: string): Cover<KnownSlice> | null {
    return coverBy(this.around(account));
  }

  /** One unit of the account's slice; null where there is no such. */
  place({ account, unit }: { account: string; unit: LimitUnit }): SliceInForce | null {
    return this.#open.get(account)?.places.find((place) => place.unit === unit) ?? null;
  }

  // ── what holds draw ────────────────────────────────────────────────────────────────────

  /** What that hold has taken from slices, as far as it is open. */
  drawsOf(hold: string): readonly Draw[] {
    return this.#draws.get(hold) ?? [];
  }

  /** Takes what the entry charges out of the slices around its account, and returns what it takes from each. */
  draw({ hold, charge }: LedgerEntry, cover: Cover<KnownSlice>): Draw[] {
    const drawn: Draw[] = [];
    const draws = [...this.drawsOf(hold)];
    for (const part of SLICE_PARTS) {
      const slice = cover[part];
      if (slice === null || charge[part] === 0) continue;
      const draw = { slice: slice.id, charge: chargeOf({ [part]: charge[part] }) };
      addDraw(drawn, draw);
      addDraw(draws, draw);
    }
    if (draws.length > 0) this.#draws.set(hold, draws);
    return drawn;
  }

  /** The hold has ended, and so much of it was used: returns what goes back to slices that are open. */
  ended(hold: string, used: Charge): Draw[] {
    const draws = this.drawsOf(hold);
    this.#draws.delete(hold);
    return draws.map(({ slice, charge }) => ({ slice, charge: minus(charge, least(used, charge)) }));
  }

  /** Without what was drawn from slices below that account: it is not held there again. */
  withoutDrawn(charge: Charge, draws: readonly Draw[], account: string): Charge {
    const own = { ...charge };
    for (const { slice, charge: drawn } of draws) {
      if (!isAbove(account, placeOfSlice(slice)!)) continue;
      for (const part of SLICE_PARTS) if (drawn[part] > 0) own[part] = 0;
    }
    return own;
  }

  /** Those of a slice by its hold's name; none where it is not open. */
  placesOf(slice: string): KnownSlice["places"] {
    const known = this.#open.get(placeOfSlice(slice)!.account);
    return known?.id === slice ? known.places : [];
  }
}
