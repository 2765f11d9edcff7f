import type { Charge } from "../../../src/core/budget/charge.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { Micros } from "../../../src/core/units.ts";
import { amountIn, Book, type Line } from "./book.ts";
import { countsAt } from "./windows.ts";

type Amounts = Line["charge"];

/** A slice that is open, on the account above the one that it is for. */
export interface BookedSlice {
  id: string;
  account: string;
  atUs: Micros;
  amounts: Amounts;
}

const PARTS = ["nanoUsd", "requests", "inputTokens", "outputTokens"] as const;

/**
 * The second book, with slices. It knows nothing of who has drawn what: what is left of a slice is what it was opened with
 * less all that is held and was spent below it, where whatever is below a further slice counts as that slice's amount.
 */
export class SliceBook extends Book {
  slices: BookedSlice[] = [];
  /** What holds that are closed have used, as far as they went. */
  readonly #spent: Line[] = [];

  override close(hold: string, used: Amounts): void {
    const held = this.heldBy(hold);
    const line = this.held.find((one) => one.hold === hold)!;
    const charge = { ...held };
    for (const part of PARTS) charge[part] = Math.min(used[part], held[part]);
    this.#spent.push({ ...line, charge });
    super.close(hold, used);
  }

  open(slice: BookedSlice): void {
    this.slices.push(slice);
  }

  /** With all that are below it. */
  closeSlices(account: string): void {
    this.slices = this.slices.filter((slice) => !isWithin(slice.account, account));
  }

  restOf(slice: BookedSlice): Amounts {
    const rest = { ...slice.amounts };
    for (const part of PARTS) if (slice.amounts[part] > 0) rest[part] -= this.#takenFrom(slice, part);
    return rest;
  }

  /** Whether some slice has less than nothing left. */
  isOverdrawn(): boolean {
    return this.slices.some((slice) => PARTS.some((part) => this.restOf(slice)[part] < 0));
  }

  override heldUnder(row: Pick<LimitRow, "account" | "unit" | "window">, nowUs: Micros): bigint {
    let held = super.heldUnder(row, nowUs);
    for (const slice of this.slices) {
      if (!isWithin(aboveOf(slice.account), row.account) || !countsAt(row.window, slice.atUs, nowUs))
        continue;
      held += amountIn(row.unit, this.restOf(slice));
    }
    return held;
  }

  #takenFrom(slice: BookedSlice, part: (typeof PARTS)[number]): number {
    const inner = this.slices.filter((other) => {
      return other !== slice && other.amounts[part] > 0 && isWithin(other.account, slice.account);
    });
    const isInnermost = (account: string): boolean => {
      return isWithin(account, slice.account) && !inner.some((other) => isWithin(account, other.account));
    };
    const lines = [...this.held, ...this.#spent].filter(({ account }) => isInnermost(account));
    const direct = inner.filter(({ account }) => isInnermost(aboveOf(account)));
    return (
      lines.reduce((sum, { charge }) => sum + charge[part], 0) +
      direct.reduce((sum, { amounts }) => sum + amounts[part], 0)
    );
  }
}

export function partsOf({ nanoUsd, requests, inputTokens, outputTokens, gpuUs }: Charge): Amounts {
  return { nanoUsd, requests, inputTokens, outputTokens, gpuUs };
}

export function aboveOf(account: string): string {
  return account.slice(0, account.lastIndexOf("/"));
}

export function isWithin(account: string, above: string): boolean {
  return account === above || account.startsWith(`${above}/`);
}
