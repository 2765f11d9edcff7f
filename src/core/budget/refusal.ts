import type { BudgetView } from "../effects.ts";
import type { HeadgateError } from "../errors.ts";
import { type Micros, MICROS_PER_SECOND } from "../units.ts";
import type { LimitReached, Shortage } from "./shortage.ts";
import { describeLimit, formatAmount, type Threshold } from "./limits.ts";

/** How long a client is asked to wait where a hold that is released can help. */
const RELEASE_SECONDS = 1;

/**
 * 402 where the same can never fit, 429 where a release or the end of the window helps: with what was
 * needed, what is left, and whose limit it is. An account whose slice is closed is never charged again.
 */
export function budgetError(shortage: Shortage, nowUs: Micros): HeadgateError {
  const { account, limit, threshold, needed, remaining, isPermanent, resetUs } = shortage;
  if (shortage.isClosed === true) {
    return { code: "account_closed", account, message: `The sub-account ${account} is closed.` };
  }
  const { unit, window, amount } = limit;
  const facts = {
    account,
    limit: { unit, window, amount: formatAmount(unit, amount) },
    needed: formatAmount(unit, needed),
    remaining: formatAmount(unit, remaining),
  };
  const message =
    `This needs up to ${facts.needed} of the ${describeLimit(limit)} that account ${account} may use, ` +
    `of which ${describeRest(facts.remaining, remaining)} left${describeThreshold(threshold)}.`;
  if (isPermanent) return { code: "budget_insufficient", message, ...facts };
  const retryAfterSeconds =
    resetUs === null ? RELEASE_SECONDS : Math.max(1, Math.ceil((resetUs - nowUs) / MICROS_PER_SECOND));
  return { code: "budget_exhausted", message, retryAfterSeconds, ...facts };
}

/** A limit that was lowered, or an overage, leaves less than nothing; people are told that there is none. */
function describeRest(formatted: string, remaining: bigint): string {
  if (remaining <= 0n) return "none is";
  return `${formatted} ${remaining === 1n ? "is" : "are"}`;
}

function describeThreshold(threshold: Threshold | null): string {
  if (threshold === null) return "";
  const { percent, priority } = threshold;
  if (priority === null) return ` up to the ${percent} % at which it stops`;
  return ` up to the ${percent} % from which on only priority ${priority} and more urgent is let through`;
}

/** A limit and what is left of it, for clients to read. */
export function viewOf({ account, limit, remaining, resetUs, ...reached }: LimitReached): BudgetView {
  const { unit, window, amount } = limit;
  return {
    account,
    unit,
    window,
    limit: formatAmount(unit, amount),
    remaining: formatAmount(unit, remaining),
    resetUs,
    ...(reached.isClosed === true ? { isClosed: true } : {}),
    ...(reached.maxTokens === undefined ? {} : { maxTokens: reached.maxTokens }),
  };
}
