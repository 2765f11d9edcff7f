import type { Accounts, Hold } from "../budget/accounts.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce, LimitTree } from "../budget/limit-tree.ts";
import { chargedIn, type LimitRow } from "../budget/limits.ts";
import { NOTHING } from "../budget/charge.ts";
import { uncovered } from "../budget/slice-check.ts";
import { isAtOrBelow } from "../budget/paths.ts";
import type { Cover, Draw } from "../budget/slice.ts";
import type { SlicesKnown } from "../events.ts";
import { KnownSlices } from "./known-slices.ts";
import { SLICE_WINDOW } from "./lease.ts";
import { startOf, type Taken, takenBy, Unused, type Use, usesOf } from "./unused.ts";

export type PlaceName = Pick<LimitRow, "account" | "unit" | "window">;

/** A name for it. */
export function nameOf({ account, unit, window }: PlaceName): string {
  return `${unit} ${window} ${account}`;
}

export function placeOf(inForce: LimitInForce): PlaceName {
  const { account, limit } = inForce;
  const window = "slice" in inForce ? SLICE_WINDOW : limit.window;
  return { account: account.name, unit: limit.unit, window };
}

/**
 * All that one replica leases something of, limits and slices, and what its entries take of them. A limit above a slice is
 * not asked for what the slice holds there already; and nothing comes back to it of what was drawn, for that is the slice's.
 */
export class LeasedPlaces {
  readonly slices: KnownSlices;
  readonly #limits: LimitTree;
  readonly #accounts: Accounts;

  constructor(slices: SlicesKnown, parts: { limits: LimitTree; accounts: Accounts }) {
    this.#limits = parts.limits;
    this.#accounts = parts.accounts;
    this.slices = new KnownSlices(slices, (name) => parts.accounts.account(name));
  }

  /** Null where there is no such limit or slice. */
  find(name: PlaceName): LimitInForce | null {
    return name.window === SLICE_WINDOW ? this.slices.place(name) : this.#limits.find(name);
  }

  /** Tells of every place what the entry takes from the replica's lease of it, or puts back; `hold` was open before. */
  count(entry: LedgerEntry, hold: Hold | undefined, visit: (inForce: LimitInForce, use: Use) => void): void {
    const { calendar } = this.#accounts;
    const taken = takenBy(entry, hold);
    const isTaking = entry.operation === "reserve" || entry.operation === "extend";
    const cover = isTaking ? this.slices.coverOf(entry.account) : null;
    const draws = isTaking ? [] : this.slices.drawsOf(entry.hold);
    const isPlain = cover === null && draws.length === 0;
    this.#limits.eachUpwards(entry.account, (inForce) => {
      const counted = isPlain ? taken : this.#notOfSlices(inForce, taken, { cover, draws });
      for (const use of usesOf(inForce, { taken: counted, calendar })) visit(inForce, use);
    });
    if (cover !== null) this.#each(this.slices.draw(entry, cover), 1n, visit);
    else if (draws.length > 0) {
      const used = entry.operation === "post" ? entry.charge : NOTHING;
      this.#each(this.slices.ended(entry.hold, used), -1n, visit);
    }
  }

  /**
   * What a lease has left that begins while these holds of the replica are open: they count under the limit already, so what comes free of them
   * is not there for anybody as long as more is used than there is.
   */
  openedAt(inForce: LimitInForce, holds: Iterable<Hold>): Unused {
    const unused = new Unused();
    const { calendar } = this.#accounts;
    for (const hold of holds) {
      if (!isAtOrBelow(hold.account, inForce.account.name)) continue;
      const draws = this.slices.drawsOf(hold.id);
      for (const { atUs, charge } of hold.parts) {
        const own = this.slices.withoutDrawn(charge, draws, inForce.account.name);
        unused.add(startOf(inForce.limit, calendar, atUs), -chargedIn(inForce.unit, own));
      }
    }
    return unused;
  }

  /** What counts under the limit itself: of what is taken, what no slice holds there; of what ends, what was not drawn. */
  #notOfSlices(
    { limit, account: { name: account } }: LimitInForce,
    taken: readonly Taken[],
    { cover, draws }: { cover: Cover | null; draws: readonly Draw[] },
  ): Taken[] {
    const { calendar } = this.#accounts;
    return taken.map(({ atUs, charge, sign }) => {
      if (cover === null) return { atUs, sign, charge: this.slices.withoutDrawn(charge, draws, account) };
      return { atUs, sign, charge: uncovered(charge, cover, { limit, account, calendar, atUs }) };
    });
  }

  #each(draws: readonly Draw[], sign: bigint, visit: (inForce: LimitInForce, use: Use) => void): void {
    for (const { slice, charge } of draws) {
      for (const place of this.slices.placesOf(slice)) {
        const amount = sign * BigInt(charge[place.part]);
        if (amount !== 0n) visit(place, { startUs: 0, amount });
      }
    }
  }
}
