import type { BudgetView } from "../effects.ts";
import type { HeadgateError } from "../errors.ts";
import type { Micros } from "../units.ts";
import { MICROS_PER_SECOND } from "../units.ts";
import type { Remainder, Shortage } from "./budget.ts";
import { describeLimit, formatAmount } from "./limits.ts";

/** How long a client is asked to wait where a hold that is released can help. */
const RELEASE_SECONDS = 1;

/**
 * 402 where the same can never fit, 429 where a release or the end of the window helps: with what was
 * needed, what is left, and whose limit it is.
 */
export function budgetError(shortage: Shortage, nowUs: Micros): HeadgateError {
  const { account, limit, needed, remaining, isPermanent, resetUs } = shortage;
  const { unit, window, amount } = limit;
  const facts = {
    account,
    limit: { unit, window, amount: formatAmount(unit, amount) },
    needed: formatAmount(unit, needed),
    remaining: formatAmount(unit, remaining),
  };
  const message =
    `This needs up to ${facts.needed} of the ${describeLimit(limit)} that account ${account} may use, ` +
    `of which ${facts.remaining} ${remaining === 1n ? "is" : "are"} left.`;
  if (isPermanent) return { code: "budget_insufficient", message, ...facts };
  const retryAfterSeconds =
    resetUs === null ? RELEASE_SECONDS : Math.max(1, Math.ceil((resetUs - nowUs) / MICROS_PER_SECOND));
  return { code: "budget_exhausted", message, retryAfterSeconds, ...facts };
}

/** A limit and what is left of it, for clients to read. */
export function viewOf({ account, limit, remaining, resetUs }: Remainder | Shortage): BudgetView {
  const { unit, window, amount } = limit;
  return {
    account,
    unit,
    window,
    limit: formatAmount(unit, amount),
    remaining: formatAmount(unit, remaining),
    resetUs,
  };
}
