import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow, LimitUnit } from "../../../src/core/budget/limits.ts";
import type { Micros } from "../../../src/core/units.ts";
import { countsAt } from "./windows.ts";

/** What of a charge counts under a limit. */
type Amounts = Pick<Charge, "nanoUsd" | "inputTokens" | "outputTokens" | "requests" | "gpuUs">;

/** One amount, and the instant whose windows it counts in. */
export interface Line {
  hold: string;
  account: string;
  atUs: Micros;
  charge: Amounts;
}

/** How urgent a band is: `high` before those that name none, `low` behind them. */
export const RANKS: Readonly<Record<string, number>> = { high: 0, low: 2 };
export const USUAL_RANK = 1;

/**
 * The second book: everything that was held or posted as a list of lines, and sums made by looking at all of them. It
 * shares nothing with the code that it is held against, and is as slow as that sounds.
 */
export class Book {
  held: Line[] = [];
  readonly posted: Line[] = [];
  readonly limits = new Map<string, LimitRow>();

  setLimit(row: LimitRow): void {
    const name = `${row.account} ${row.unit} ${row.window}`;
    // The one that was set last goes last.
    this.limits.delete(name);
    if (row.amount !== null) this.limits.set(name, row);
  }

  /** What an entry of a ledger says was done. */
  read({ operation, hold, account, atUs, charge }: LedgerEntry): void {
    if (operation === "reserve" || operation === "extend") this.hold({ hold, account, atUs, charge });
    else if (operation === "post") this.close(hold, charge);
    else if (operation === "void") this.close(hold, NOTHING);
    else this.#refill(hold, (was) => each((key) => was[key] + charge[key]));
  }

  /** Limits of the account and of all above it. */
  limitsOn(account: string): LimitRow[] {
    return [...this.limits.values()].filter((row) => isWithin(account, row.account));
  }

  hold(line: Line): void {
    this.held.push(line);
  }

  heldBy(hold: string): Amounts {
    return sumOf(this.held.filter((line) => line.hold === hold));
  }

  /** What was used counts where it was held, the first part first; what goes beyond counts with the last. */
  close(hold: string, used: Amounts): void {
    const parts = this.held.filter((line) => line.hold === hold);
    this.held = this.held.filter((line) => line.hold !== hold);
    let left = used;
    for (const part of parts) {
      const isLast = part === parts.at(-1);
      const charge = isLast ? left : each((key) => Math.min(left[key], part.charge[key]));
      const rest = left;
      left = each((key) => rest[key] - charge[key]);
      this.posted.push({ ...part, charge });
    }
  }

  /** A post that was too much: what was used after all is in those of its parts that come first. */
  correct(hold: string, used: Amounts): void {
    this.#refill(hold, (was) => each((key) => Math.min(used[key], was[key])));
  }

  /** Takes the parts of a post back from the last one on, until so much is left. */
  #refill(hold: string, leave: (was: Amounts) => Amounts): void {
    const lines = this.posted.filter((line) => line.hold === hold);
    const was = sumOf(lines);
    const left = leave(was);
    let over = each((key) => was[key] - left[key]);
    for (const line of lines.toReversed()) {
      const rest = over;
      const off = each((key) => Math.min(rest[key], line.charge[key]));
      over = each((key) => rest[key] - off[key]);
      this.posted.push({ ...line, charge: each((key) => -off[key]) });
    }
  }

  postedUnder(row: Where, nowUs: Micros): bigint {
    return this.#sum(this.posted, row, nowUs);
  }

  heldUnder(row: Where, nowUs: Micros): bigint {
    return this.#sum(this.held, row, nowUs);
  }

  usedUnder(row: Where, nowUs: Micros): bigint {
    return this.postedUnder(row, nowUs) + this.heldUnder(row, nowUs);
  }

  /** All that was ever posted on that very account, without those below it. */
  postedBy(account: string, unit: LimitUnit): bigint {
    const own = this.posted.filter((line) => line.account === account);
    return own.reduce((sum, line) => sum + amountIn(unit, line.charge), 0n);
  }

  /** Limits that a charge of that priority does not fit under. */
  shortOf(
    { account, priority, charge }: { account: string; priority: string | null; charge: Amounts },
    nowUs: Micros,
  ): LimitRow[] {
    return this.limitsOn(account).filter((row) => {
      const needed = amountIn(row.unit, charge);
      return needed > 0n && this.usedUnder(row, nowUs) + needed > mostFor(row, priority);
    });
  }

  #sum(lines: readonly Line[], { account, unit, window }: Where, nowUs: Micros): bigint {
    let sum = 0n;
    for (const line of lines) {
      if (!isWithin(line.account, account) || !countsAt(window, line.atUs, nowUs)) continue;
      sum += amountIn(unit, line.charge);
    }
    return sum;
  }
}

type Where = Pick<LimitRow, "account" | "unit" | "window">;

/** As much of the limit as thresholds leave to a request of that priority. */
export function mostFor({ amount, thresholds = [] }: LimitRow, priority: string | null): bigint {
  const rank = priority === null ? USUAL_RANK : RANKS[priority]!;
  const parts = thresholds
    .filter(({ action, priority: least }) => {
      return action === "stop" || (action === "hold_low_priority" && rank > RANKS[least!]!);
    })
    .map(({ percent }) => (BigInt(amount!) * BigInt(percent)) / 100n);
  return parts.reduce((least, part) => (part < least ? part : least), BigInt(amount!));
}

export function amountIn(unit: LimitUnit, charge: Amounts): bigint {
  const counted = {
    usd: charge.nanoUsd,
    tokens: charge.inputTokens + charge.outputTokens,
    input_tokens: charge.inputTokens,
    output_tokens: charge.outputTokens,
    requests: charge.requests,
    gpu_seconds: charge.gpuUs,
  };
  return BigInt(counted[unit]);
}

function isWithin(account: string, above: string): boolean {
  return account === above || account.startsWith(`${above}/`);
}

function sumOf(lines: readonly Line[]): Amounts {
  return each((key) => lines.reduce((sum, { charge }) => sum + charge[key], 0));
}

function each(amountOf: (key: keyof Amounts) => number): Amounts {
  return {
    nanoUsd: amountOf("nanoUsd"),
    inputTokens: amountOf("inputTokens"),
    outputTokens: amountOf("outputTokens"),
    requests: amountOf("requests"),
    gpuUs: amountOf("gpuUs"),
  };
}
