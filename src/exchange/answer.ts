import type { Charge } from "../core/budget/charge.ts";
import type { BudgetView } from "../core/effects.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { TokenUsage } from "../core/vocabulary.ts";
import type { Outbox } from "./outbox.ts";

/** The way back to one client. Which form it has, the client chose by the address and with `stream`. */
export interface Answer {
  /** What is left of the limits that the request counts under; not called where none apply. */
  tellBudgets(budgets: readonly BudgetView[]): void;
  /** Tokens were granted to the outbox: what it gives out now may go to the client. */
  relay(choice: number, outbox: Outbox): void;
  /** One choice is complete. */
  finishChoice(choice: number, outbox: Outbox, ending: Ending): void;
  /** All of them are. */
  finish(bill: Bill): void;
  fail(error: HeadgateError): void;
  /** Close the connection as it is. */
  drop(): void;
}

/** Why a choice has ended. */
export interface Ending {
  /** As OpenAI names it. */
  finishReason: string;
  /** The limit that made it shorter than it would have been; null when none did. */
  shortage: BudgetView | null;
}

/** What a whole answer used, what it cost, and what is left. */
export interface Bill {
  usage: TokenUsage;
  cost: Charge;
  budgets: readonly BudgetView[];
}
