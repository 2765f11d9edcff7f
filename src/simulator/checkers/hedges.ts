import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { answerOf, isHedge, packetOf, requestOf } from "../ids.ts";
import { type Checker, isEnd, type Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";

/** A packet that has a hold. */
interface Racer {
  /** Its attempt; null while it has none. */
  attempt: string | null;
  /** Its endpoint has said something. */
  hasBegun: boolean;
}

/** So many hedges can be saved up in quiet times. */
const SAVED_MAX = 10;

/** What turns a request away before it is counted. */
const TURNED_AWAY: ReadonlySet<string> = new Set([
  "capacity",
  "model_not_found",
  "rate_limited",
  "model_unpriced",
]);

/**
 * Two race for one answer only while neither has shown anything: with its first token one of them has won, and the other
 * owns nothing any more, neither a hold nor a place. There are never more hedges than their share of all requests.
 */
export class HedgesChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  /** Packets with holds, by the answer that they are for. */
  readonly #races = new Map<string, Map<string, Racer>>();
  /** Hedges that requests have left room for, at most. */
  #allowance = 0;
  #arriving: string | null = null;
  /** Who has shown a token, or has come to its end, in this step. */
  #winner: string | null = null;

  constructor(knowledge: Knowledge, violate: Violate) {
    this.#knowledge = knowledge;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#winner = null;
    this.#arriving = event.kind === "request_arrived" ? event.request : null;
    if (!("attempt" in event)) return;
    const racer = this.#racerOf(event.attempt);
    if (racer === undefined || racer.attempt !== event.attempt) return;
    if (event.kind === "attempt_started") racer.hasBegun = true;
    const hasShown = event.kind === "attempt_output" && event.tokens > 0;
    if (hasShown || event.kind === "attempt_finished") {
      racer.hasBegun = true;
      this.#winner = packetOf(event.attempt);
    }
    if (isEnd(event)) Object.assign(racer, { attempt: null, hasBegun: false });
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "append_ledger") {
        const { operation, hold } = effect.entry;
        if (operation === "reserve") this.#enters(packetOf(hold));
        if (operation === "post" || operation === "void") this.#leaves(packetOf(hold));
      } else if (effect.kind === "dispatch") {
        const racer = this.#racerOf(effect.attempt);
        if (racer !== undefined) Object.assign(racer, { attempt: effect.attempt, hasBegun: false });
      } else if (effect.kind === "cancel_attempt") {
        const racer = this.#racerOf(effect.attempt);
        if (racer !== undefined) racer.attempt = null;
      } else if (effect.kind === "fail_request" && effect.request === this.#arriving) {
        if (TURNED_AWAY.has(effect.error.code)) this.#arriving = null;
      }
    }
    const { hedge } = this.#knowledge.scheduling.tail;
    if (this.#arriving !== null && hedge !== null) {
      this.#allowance = Math.min(SAVED_MAX, this.#allowance + hedge.shareMax);
    }
    if (this.#winner !== null) this.#checkWon(this.#winner);
  }

  #enters(packet: string): void {
    const answer = answerOf(packet);
    const racers = this.#races.get(answer) ?? new Map<string, Racer>();
    for (const [other, { attempt, hasBegun }] of isHedge(packet) ? racers : []) {
      if (other === packet) continue;
      if (attempt === null)
        this.#violate(requestOf(packet), `${packet} races with ${other}, which does not run`);
      if (hasBegun) this.#violate(requestOf(packet), `${packet} races with ${other}, which has begun`);
      this.#counts(packet);
    }
    this.#races.set(answer, racers.set(packet, { attempt: null, hasBegun: false }));
  }

  /** A hedge has been sent, and not what goes on alone after one. */
  #counts(packet: string): void {
    // Shares are added up one by one, which leaves traces in the last digits.
    if (this.#allowance < 1 - 1e-9) this.#violate(requestOf(packet), `${packet} is one hedge too many`);
    this.#allowance--;
  }

  #leaves(packet: string): void {
    const answer = answerOf(packet);
    const racers = this.#races.get(answer);
    racers?.delete(packet);
    if (racers?.size === 0) this.#races.delete(answer);
  }

  #checkWon(winner: string): void {
    const racers = this.#races.get(answerOf(winner));
    for (const [other, { attempt }] of racers ?? []) {
      if (other === winner) continue;
      const left = attempt === null ? "has a hold" : "runs";
      this.#violate(requestOf(winner), `${other} still ${left} after ${winner} has won`);
    }
  }

  #racerOf(attempt: string): Racer | undefined {
    return this.#races.get(answerOf(attempt))?.get(packetOf(attempt));
  }
}
