import type { OutgoingHttpHeaders } from "node:http";
import { formatUsd } from "../core/budget/money.ts";
import type { BudgetView } from "../core/effects.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import type { Bill } from "../exchange/answer.ts";
import { addToMember } from "./json-splice.ts";

/** Usage as OpenAI writes it, and what it cost. */
export function usageObject(bill: Bill): Record<string, unknown> {
  const { promptTokens, cachedTokens, completionTokens } = bill.usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    ...costFields(bill),
  };
}

/** What we add to usage. */
function costFields({ cost, budgets }: Bill): Record<string, unknown> {
  const fields = { cost_usd: Number(costUsd(cost)) };
  return budgets.length === 0 ? fields : { ...fields, budgets: budgets.map(budgetObject) };
}

/**
 * A remote API's own answer, or the chunk in which it told its usage, with what it can't know added
 * to its usage. Its choices stay as they are, so a limit that made one shorter is named here too.
 */
export function withBill(document: string, bill: Bill, shortage: BudgetView | null): string {
  const fields = { ...costFields(bill), ...shortageField(shortage) };
  return addToMember(document, { name: "usage", fields, fallback: usageObject(bill) });
}

function budgetObject({ account, unit, window, limit, remaining, resetUs }: BudgetView): object {
  const resetsAt = resetUs === null ? null : instant(resetUs);
  return { account, unit, window, limit, remaining, resets_at: resetsAt };
}

/** Windows end at midnight: for a day, all that are written are the same one. */
let lastInstant = { us: 0, text: instantText(0) };

function instant(us: Micros): string {
  if (us !== lastInstant.us) lastInstant = { us, text: instantText(us) };
  return lastInstant.text;
}

function instantText(us: Micros): string {
  return new Date(us / MICROS_PER_MILLI).toISOString();
}

/** Names the limit that made an answer shorter, or the sub-account that was closed; nothing where nothing did. */
export function shortageField(shortage: BudgetView | null): { headgate?: object } {
  if (shortage === null) return {};
  const { account, unit, window, limit, remaining, maxTokens } = shortage;
  if (shortage.isClosed === true) return { headgate: { reason: "account_closed", account } };
  const facts = { account, unit, window, limit, remaining };
  if (maxTokens !== undefined) return { headgate: { reason: "shortened", ...facts, max_tokens: maxTokens } };
  return { headgate: { reason: "budget_exhausted", ...facts } };
}

export function costHeaders({ cost }: Bill): OutgoingHttpHeaders {
  return { "x-headgate-cost-usd": costUsd(cost) };
}

/** For each unit, what the tightest limit in it leaves: `x-headgate-remaining-usd`, `-tokens`, `-requests` and so on. */
export function budgetHeaders(budgets: readonly BudgetView[]): OutgoingHttpHeaders {
  const least = new Map<string, string>();
  for (const { unit, remaining } of budgets) {
    const before = least.get(unit);
    if (before === undefined || Number(remaining) < Number(before)) least.set(unit, remaining);
  }
  const headers: OutgoingHttpHeaders = {};
  for (const [unit, remaining] of least) {
    headers[`x-headgate-remaining-${unit.replace("_", "-")}`] = remaining;
  }
  return headers;
}

function costUsd({ nanoUsd }: Bill["cost"]): string {
  return formatUsd(BigInt(nanoUsd));
}
