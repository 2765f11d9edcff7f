import type { DropClient, FailRequest, FinishAnswer, FinishRequest, Relay } from "../core/effects.ts";
import type { ClientsPort } from "../supervisor/ports.ts";
import type { Exchanges } from "./exchange.ts";

/** Carries out what the core wants clients to get. Clients that have left are passed over in silence. */
export class Clients implements ClientsPort {
  readonly #exchanges: Exchanges;

  constructor(exchanges: Exchanges) {
    this.#exchanges = exchanges;
  }

  relay(effect: Relay): void {
    const exchange = this.#exchanges.get(effect.request);
    const outbox = exchange?.outboxes.get(effect.attempt);
    if (exchange === undefined || outbox === undefined) return;
    outbox.grant(effect.tokens);
    exchange.answer.relay(effect.choice, outbox);
  }

  finishAnswer(effect: FinishAnswer): void {
    const exchange = this.#exchanges.get(effect.request);
    const outbox = exchange?.outboxes.get(effect.attempt);
    if (exchange === undefined || outbox === undefined) return;
    exchange.answer.finishChoice(effect.choice, outbox, effect.finishReason);
  }

  finish(effect: FinishRequest): void {
    this.#exchanges.end(effect.request)?.answer.finish(effect.usage);
  }

  fail(effect: FailRequest): void {
    this.#exchanges.end(effect.request)?.answer.fail(effect.error);
  }

  drop(effect: DropClient): void {
    this.#exchanges.end(effect.request)?.answer.drop();
  }
}
