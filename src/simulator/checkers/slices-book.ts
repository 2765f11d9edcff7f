import { type Charge, NOTHING } from "../../core/budget/charge.ts";
import type { Micros } from "../../core/units.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";

/** A slice that is open: for `account`, of what the account above it has. */
export interface BookedSlice {
  id: string;
  account: string;
  atUs: Micros;
  expiresUs: Micros;
  amounts: Charge;
}

/** What slices can be of, each by itself: of a part that it has nothing of, a slice knows nothing. */
export const PARTS = [
  "nanoUsd",
  "requests",
  "inputTokens",
  "outputTokens",
] as const satisfies (keyof Charge)[];

export type Part = (typeof PARTS)[number];

/** A packet's hold below a slice: what it holds, or once it is over, what it has used of that. */
interface Line {
  account: string;
  charge: Charge;
  isOver: boolean;
}

/**
 * Slices as the entries tell them, added up in another way than the core does it. Nobody draws here: what is left of a slice
 * is what it was opened with, less all that packets below it hold and have used of what they held. Whatever is below
 * a further slice inside counts as that slice's amount, as long as that one is open.
 */
export class SlicesBook {
  /** By the account that they are for. */
  readonly open = new Map<string, BookedSlice>();
  readonly closed = new Set<string>();
  readonly #lines = new Map<string, Line>();

  opened(slice: BookedSlice): void {
    this.open.set(slice.account, slice);
  }

  closes(account: string): void {
    this.open.delete(account);
    this.closed.add(account);
    for (const [id, line] of this.#lines) {
      if (this.around(line.account).length === 0) this.#lines.delete(id);
    }
  }

  /** A packet's hold is taken, or becomes longer. */
  held(id: string, account: string, charge: Charge): void {
    if (this.open.size === 0 || this.around(account).length === 0) return;
    const before = this.#lines.get(id)?.charge ?? NOTHING;
    this.#lines.set(id, { account, charge: inParts((part) => before[part] + charge[part]), isOver: false });
  }

  /** A packet's hold is over. What it has used beyond it is nobody's slice's. */
  ended(id: string, used: Charge): void {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    const { account, charge } = line;
    const share = inParts((part) => Math.min(used[part], charge[part]));
    this.#lines.set(id, { account, charge: share, isOver: true });
  }

  /** Slices at or above an account that are open, the innermost first. */
  around(account: string): BookedSlice[] {
    const slices: BookedSlice[] = [];
    for (const slice of this.open.values()) if (isAtOrBelow(account, slice.account)) slices.push(slice);
    return slices.sort((a, b) => b.account.length - a.account.length);
  }

  /** Those inside it that are open. */
  inside({ account }: BookedSlice): BookedSlice[] {
    return [...this.open.values()].filter((other) => {
      return other.account !== account && isAtOrBelow(other.account, account);
    });
  }

  /** The slice that such a part of a charge on an account is taken from. */
  payer(account: string, part: Part): BookedSlice | undefined {
    return this.around(account).find(({ amounts }) => amounts[part] > 0);
  }

  /** The outermost account from there up whose slice was closed. */
  closedAbove(account: string): string | null {
    if (this.closed.size === 0) return null;
    let closed: string | null = null;
    for (let at = account; at !== ""; at = parentOf(at)) if (this.closed.has(at)) closed = at;
    return closed;
  }

  /** What nobody holds or has used. */
  restOf(slice: BookedSlice): Charge {
    const inside = this.inside(slice);
    const rest = inParts((part) => slice.amounts[part]);
    const take = (account: string, charge: Charge): void => {
      for (const part of PARTS) {
        if (slice.amounts[part] === 0 || charge[part] === 0) continue;
        const isFurtherIn = inside.some(
          (other) => other.amounts[part] > 0 && isAtOrBelow(account, other.account),
        );
        if (!isFurtherIn) rest[part] -= charge[part];
      }
    };
    for (const { account, charge } of this.#lines.values()) {
      if (isAtOrBelow(account, slice.account)) take(account, charge);
    }
    for (const { account, amounts } of inside) take(parentOf(account), amounts);
    return rest;
  }

  /** What was used of it for good, slices inside included. */
  spentOf(slice: BookedSlice): Charge {
    return this.#takenFrom(slice, ({ isOver }) => isOver);
  }

  /** What would be left if all slices inside it were closed. */
  restAlone(slice: BookedSlice): Charge {
    const taken = this.#takenFrom(slice, () => true);
    return inParts((part) => slice.amounts[part] - taken[part]);
  }

  #takenFrom(slice: BookedSlice, counts: (line: Line) => boolean): Charge {
    const lines = [...this.#lines.values()].filter((line) => {
      return isAtOrBelow(line.account, slice.account) && counts(line);
    });
    return inParts((part) => {
      if (slice.amounts[part] === 0) return 0;
      return lines.reduce((sum, { charge }) => sum + charge[part], 0);
    });
  }
}

function inParts(amount: (part: Part) => number): Charge {
  const charge = { ...NOTHING };
  for (const part of PARTS) charge[part] = amount(part);
  return charge;
}
