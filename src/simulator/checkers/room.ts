import type { Charge } from "../../core/budget/charge.ts";
import { formatAmount, type LimitRow, type LimitUnit, parseAmount } from "../../core/budget/limits.ts";
import type { LimitWindow } from "../../core/budget/windows.ts";
import type { QueueingConfig } from "../../core/config.ts";
import type { BudgetView } from "../../core/effects.ts";
import type { HeadgateError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { amountFor, ceilingsAt } from "./amounts.ts";
import { amountOf, type Book } from "./book.ts";
import { PARTS, type Part } from "./slices-book.ts";

/** What the ledger's checker knows at any moment. */
export interface Ledger {
  readonly book: Book;
  readonly clockUs: Micros;
  limitsOf(account: string): LimitRow[];
}

/** What somebody wants to be charged, and with which priority. */
export interface Wanted {
  account: string;
  priority: string | null;
  charge: Charge;
}

/** What a charge has to fit under: a limit, or a slice, which is one in each of its parts. */
export interface Bound extends Pick<LimitRow, "account" | "unit"> {
  window: LimitWindow;
  /** All there is of it, and what of that is there for requests of the priority. */
  amount: number;
  most: number;
  /** Of all there is, what was used for good, and what is neither used nor held. */
  posted: number;
  left: number;
  /** What of a charge it is asked for. */
  asked: (charge: Charge) => number;
}

/** What slices call their parts. */
export const UNITS: Readonly<Record<Part, LimitUnit>> = {
  nanoUsd: "usd",
  requests: "requests",
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
};

/** How much room there is for whom, by the ledger as its checker knows it. */
export class Room {
  readonly ledger: Ledger;
  readonly #queueing: () => QueueingConfig;

  constructor(ledger: Ledger, queueing: () => QueueingConfig) {
    this.ledger = ledger;
    this.#queueing = queueing;
  }

  /** All that is in the way of a charge on an account, one by one: what nobody asks for is not added up. */
  *boundsOn({ account, priority }: Omit<Wanted, "charge">, nowUs: Micros): Generator<Bound, void> {
    const atUs = Math.max(nowUs, this.ledger.clockUs);
    for (const limit of this.ledger.limitsOf(account)) yield this.#limit(limit, { account, priority, atUs });
    yield* this.#slices(account);
  }

  /** The limit or slice that an error or a view names. */
  named(
    payer: Omit<Wanted, "charge">,
    { account, unit, window }: Pick<BudgetView, "account" | "unit" | "window">,
    nowUs: Micros,
  ): Bound | undefined {
    return this.boundsOn(payer, nowUs).find((bound) => {
      return bound.account === account && bound.unit === unit && bound.window === window;
    });
  }

  /** Whether there is room for the charge everywhere. */
  fits({ charge, ...payer }: Wanted, nowUs: Micros): boolean {
    return this.boundsOn(payer, nowUs).every((bound) => {
      const asked = bound.asked(charge);
      return asked === 0 || asked <= leftFor(bound);
    });
  }

  /** What is wrong with a refusal for want of money; null if nothing is. The charge is the most that was asked for. */
  problemOf({ code, account, limit, ...error }: HeadgateError, wanted: Wanted, nowUs: Micros): string | null {
    const bound = limit && account !== undefined && this.named(wanted, { account, ...limit }, nowUs);
    if (!bound) return `is refused for a limit that it does not have: ${JSON.stringify(limit)} of ${account}`;
    const { unit, window, most, posted } = bound;
    const needed = parse(unit, error.needed!);
    const left = leftFor(bound);
    if (needed <= left) return `is refused ${needed} ${unit} where ${left} are left`;
    if (parse(unit, error.remaining!) !== left) {
      return `is told that ${error.remaining} ${unit} are left, not ${left}`;
    }
    const asked = bound.asked(wanted.charge);
    if (needed > asked) return `is said to need ${needed} ${unit}, and needs ${asked} at most`;
    const isPermanent = needed > most || (window === "total" && posted + needed > most);
    if (isPermanent === (code === "budget_insufficient")) return null;
    return `is told ${code} where ${posted} ${unit} of ${bound.amount} are posted`;
  }

  /** How long an answer may be by thresholds that were reached before this charge, which is counted by now. */
  ceilingsBefore({ account, charge }: Omit<Wanted, "priority">, nowUs: Micros): number[] {
    const atUs = Math.max(nowUs, this.ledger.clockUs);
    return this.ledger.limitsOf(account).flatMap((limit) => {
      const { amount, left, asked } = this.#limit(limit, { account, priority: null, atUs });
      return ceilingsAt(limit, amount - left - asked(charge));
    });
  }

  #limit(limit: LimitRow, { account, priority, atUs }: Omit<Wanted, "charge"> & { atUs: Micros }): Bound {
    const { unit, window } = limit;
    const used = this.ledger.book.used(limit.account, window, atUs);
    const posted = amountOf(unit, used.posted);
    const amount = Number(limit.amount);
    return {
      account: limit.account,
      unit,
      window,
      amount,
      most: amountFor(limit, priority, this.#queueing()),
      posted,
      left: amount - posted - amountOf(unit, used.held),
      asked: (charge) => {
        if (this.ledger.book.slices.open.size === 0) return amountOf(unit, charge);
        const fresh = { ...charge };
        for (const part of PARTS) if (this.#isHeld(part, account, limit, atUs)) fresh[part] = 0;
        return amountOf(unit, fresh);
      },
    };
  }

  /** Whether a limit has counted such a part of a charge on an account since a slice below it was opened. */
  #isHeld(part: Part, account: string, limit: LimitRow, atUs: Micros): boolean {
    const { book } = this.ledger;
    const slice = book.slices.payer(account, part);
    if (slice === undefined || slice.account.length <= limit.account.length) return false;
    return book.counts(limit.window, slice.atUs, atUs);
  }

  #slices(account: string): Bound[] {
    const { slices } = this.ledger.book;
    if (slices.open.size === 0) return [];
    return slices.around(account).flatMap((slice) => {
      const rest = slices.restOf(slice);
      const spent = slices.spentOf(slice);
      const parts = PARTS.filter((part) => slice.amounts[part] > 0);
      return parts.map((part): Bound => {
        const isPayer = slices.payer(account, part) === slice;
        return {
          account: slice.account,
          unit: UNITS[part],
          window: "total",
          amount: slice.amounts[part],
          most: slice.amounts[part],
          posted: spent[part],
          left: rest[part],
          asked: (charge) => (isPayer ? charge[part] : 0),
        };
      });
    });
  }
}

/** What is left for requests of the priority. */
export function leftFor({ left, amount, most }: Bound): number {
  return left - (amount - most);
}

/** An amount as people are told it. */
export function shown(unit: LimitUnit, amount: number): string {
  return formatAmount(unit, BigInt(amount));
}

function parse(unit: LimitUnit, amount: string): number {
  const sign = amount.startsWith("-") ? -1 : 1;
  return sign * Number(parseAmount(unit, amount.replace("-", "")));
}
