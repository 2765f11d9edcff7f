import type {
  AnswerSlice,
  BudgetTold,
  DropClient,
  FailRequest,
  FinishAnswer,
  FinishRequest,
  Relay,
} from "../core/effects.ts";
import type { Exchanges } from "../exchange/exchange.ts";
import type { ClientsPort } from "../supervisor/ports.ts";
import type { SliceQuestions } from "./slice-questions.ts";

/** Carries out what the core wants clients to get. Clients that have left are passed over in silence. */
export class Clients implements ClientsPort {
  readonly #exchanges: Exchanges;

  readonly #slices: Pick<SliceQuestions, "answered">;

  constructor(exchanges: Exchanges, slices: Pick<SliceQuestions, "answered">) {
    this.#exchanges = exchanges;
    this.#slices = slices;
  }

  answerSlice(effect: AnswerSlice): void {
    this.#slices.answered(effect);
  }

  tellBudgets(effect: BudgetTold): void {
    this.#exchanges.get(effect.request)?.answer.tellBudgets(effect.budgets);
  }

  relay(effect: Relay): void {
    const exchange = this.#exchanges.get(effect.request);
    const outbox = exchange?.outbox(effect.attempt, effect.choice);
    if (exchange === undefined || outbox === undefined) return;
    outbox.grant(effect.tokens);
    exchange.answer.relay(effect.choice, outbox);
  }

  finishAnswer(effect: FinishAnswer): void {
    const exchange = this.#exchanges.get(effect.request);
    const outbox = exchange?.outbox(effect.attempt, effect.choice);
    if (exchange === undefined || outbox === undefined) return;
    exchange.answer.finishChoice(effect.choice, outbox, effect);
  }

  finish(effect: FinishRequest): void {
    this.#exchanges.end(effect.request)?.answer.finish(effect);
  }

  fail(effect: FailRequest): void {
    this.#exchanges.end(effect.request)?.answer.fail(effect.error);
  }

  drop(effect: DropClient): void {
    this.#exchanges.end(effect.request)?.answer.drop();
  }
}
