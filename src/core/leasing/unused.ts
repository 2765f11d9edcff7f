import { filled, type Hold } from "../budget/accounts.ts";
import type { Calendar } from "../budget/calendar.ts";
import { type Charge, minus } from "../budget/charge.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { LimitInForce } from "../budget/limit-tree.ts";
import { chargedIn, type Limit } from "../budget/limits.ts";
import type { Micros } from "../units.ts";

/** Instances that a lease remembers, the latest: what is left of the others is nothing to anybody. */
const INSTANCES_MAX = 4;

interface Left {
  unused: bigint;
  taken: bigint;
}

const NOTHING_LEFT: Readonly<Left> = { unused: 0n, taken: 0n };

/** What one replica's lease of one limit has left, by instance: less than nothing where its provider has billed too much. */
export class Unused {
  readonly #instances = new Map<Micros, Left>();

  at(startUs: Micros): bigint {
    return (this.#instances.get(startUs) ?? NOTHING_LEFT).unused;
  }

  /**
   * What the replica's entries have taken since the lease began, less what they have put back. Both sides count it alike, so
   * what is more of it at the replica than at the desk is what the desk has not read yet.
   */
  takenAt(startUs: Micros): bigint {
    return (this.#instances.get(startUs) ?? NOTHING_LEFT).taken;
  }

  /** Is granted, or given back. */
  add(startUs: Micros, amount: bigint): void {
    this.#at(startUs).unused += amount;
  }

  /** Is used by an entry, or put back. */
  take(startUs: Micros, amount: bigint): void {
    const left = this.#at(startUs);
    left.unused -= amount;
    left.taken += amount;
  }

  #at(startUs: Micros): Left {
    let left = this.#instances.get(startUs);
    if (left === undefined) {
      this.#instances.set(startUs, (left = { ...NOTHING_LEFT }));
      if (this.#instances.size > INSTANCES_MAX) this.#instances.delete(Math.min(...this.#instances.keys()));
    }
    return left;
  }
}

/** Where the instance of the limit's window begins that contains that instant: 0 where there is only one. */
export function startOf({ window }: Pick<Limit, "window">, calendar: Calendar, atUs: Micros): Micros {
  if (window === "total" || calendar.spec(window).kind === "rolling") return 0;
  return calendar.span(window, atUs).startUs;
}

/** What an entry takes out of a lease, or puts back: at the instants of the hold, in every unit. */
export interface Taken {
  atUs: Micros;
  charge: Charge;
  sign: 1 | -1;
}

/**
 * What an entry takes, given the hold that was open before it. A correction puts nothing back: what was in doubt may have been
 * anybody's.
 */
export function takenBy(entry: LedgerEntry, hold: Hold | undefined): Taken[] {
  const { operation, atUs, charge } = entry;
  switch (operation) {
    case "reserve":
    case "extend":
      return [{ atUs, charge, sign: 1 }];
    case "void":
      return hold!.parts.map((part) => ({ ...part, sign: -1 }));
    case "post":
      return unfilled(hold!, charge);
    case "adjust":
      return [];
  }
}

/** Of each part, what was not used; of the last one perhaps less than nothing. */
function unfilled({ parts }: Hold, used: Charge): Taken[] {
  return filled(parts, used).map(({ atUs, charge }, i) => {
    return { atUs, charge: minus(parts[i]!.charge, charge), sign: -1 };
  });
}

/** A part of that, in the unit of a limit: what the lease has less. */
export interface Use {
  startUs: Micros;
  amount: bigint;
}

/**
 * What an entry takes from a lease of that limit, or puts back. Of a rolling window nothing is put back: whether it still
 * counts there depends on when somebody looks, and the desk looks later. What comes free there is anybody's.
 */
export function usesOf(
  { limit, unit }: LimitInForce,
  { taken, calendar }: { taken: readonly Taken[]; calendar: Calendar },
): Use[] {
  const isRolling = limit.window !== "total" && calendar.spec(limit.window).kind === "rolling";
  return taken.flatMap(({ atUs, charge, sign }) => {
    const amount = BigInt(sign) * chargedIn(unit, charge);
    if (amount === 0n || (amount < 0n && isRolling)) return [];
    return [{ startUs: startOf(limit, calendar, atUs), amount }];
  });
}
