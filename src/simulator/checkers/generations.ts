import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import type { Book } from "./book.ts";
import type { Checker, Violate } from "./checker.ts";

interface Sent {
  hold: string;
  /** What its engine has truly generated; null as long as it does. */
  tokens: number | null;
  /** A supervisor gave it up, or was told that it failed: what was on its way then is lost to it. */
  isUnheard: boolean;
}

/**
 * What engines have truly generated is charged, over all lives of the supervisor: in full where it
 * heard of the end, and where it was killed before. Only what was on its way when an attempt was
 * given up is nobody's. And what a receipt puts right is put right to the truth.
 */
export class GenerationsChecker implements Checker {
  readonly #violate: Violate;
  readonly #book: () => Book;
  readonly #sent = new Map<string, Sent>();
  /** Open holds of this life, by packet. */
  readonly #holds = new Map<string, string>();
  /** Tokens generated under each hold whose end was heard of. */
  readonly #generated = new Map<string, number>();

  constructor(book: () => Book, violate: Violate) {
    this.#book = book;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "attempt_failed") this.#giveUp(event.attempt);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "append_ledger") this.#entry(effect.entry);
      if (effect.kind === "dispatch") {
        const hold = this.#holds.get(packetOf(effect.attempt));
        if (hold !== undefined) this.#sent.set(effect.attempt, { hold, tokens: null, isUnheard: false });
      }
      // At the edge of its credit an attempt has nothing on its way.
      if (effect.kind === "cancel_attempt" && effect.reason !== "credit_exhausted")
        this.#giveUp(effect.attempt);
    }
  }

  sighting(sighting: Sighting): void {
    if (sighting.kind !== "generation_ended") return;
    const { attempt, tokens, unpaidTokens } = sighting;
    const sent = this.#sent.get(attempt);
    if (sent === undefined) return this.#violate(requestOf(attempt), `${attempt} ran without a hold`);
    sent.tokens = tokens;
    if (sent.isUnheard) return;
    this.#generated.set(sent.hold, (this.#generated.get(sent.hold) ?? 0) + tokens - unpaidTokens);
  }

  end(): void {
    const { outputTokens } = this.#book();
    for (const { hold, isUnheard } of this.#sent.values()) if (isUnheard) this.#generated.delete(hold);
    for (const [hold, tokens] of this.#generated) {
      const posted = outputTokens.get(hold) ?? 0;
      if (posted >= tokens) continue;
      this.#violate(
        requestOf(hold),
        `${tokens} tokens were generated on hold ${hold}, and ${posted} charged`,
      );
    }
  }

  #entry({ operation, hold, charge }: LedgerEntry): void {
    if (operation === "reserve") this.#holds.set(packetOf(hold), hold);
    if (operation !== "adjust") return;
    const posted = this.#book().outputTokens.get(hold) ?? 0;
    let generated = 0;
    for (const sent of this.#sent.values()) if (sent.hold === hold) generated += sent.tokens ?? 0;
    // One that ran past its credit is not charged more than was held, which is charged already.
    const staysInFull = charge.outputTokens === 0 && posted < generated;
    // Where an attempt before had generated something that nobody heard of, either receipt may be the first to come.
    const isOneOf = [...this.#sent.values()].some((sent) => sent.hold === hold && sent.tokens === posted);
    if (posted === generated || staysInFull || isOneOf) return;
    this.#violate(
      requestOf(hold),
      `hold ${hold} is adjusted to ${posted} tokens, and ${generated} were generated`,
    );
  }

  #giveUp(attempt: string): void {
    const sent = this.#sent.get(attempt);
    if (sent !== undefined) sent.isUnheard = true;
  }
}
