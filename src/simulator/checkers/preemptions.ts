import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { requestOf } from "../ids.ts";
import { type Checker, isEnd, type Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/**
 * An answer gives way to somebody alone who is more urgent, is waiting for the same model at that moment, and may take
 * places; and no more of them do than such wait.
 */
export class PreemptionsChecker implements Checker {
  readonly #knowledge: Knowledge;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  readonly #violate: Violate;
  /** Asked to give way, and not gone yet. */
  readonly #leaving = new Set<string>();

  constructor(
    sources: { knowledge: Knowledge; waiting: () => ReadonlySet<WatchedPacket> },
    violate: Violate,
  ) {
    this.#knowledge = sources.knowledge;
    this.#waiting = sources.waiting;
    this.#violate = violate;
  }

  event(_nowUs: number, event: SupervisorEvent): void {
    if (isEnd(event)) this.#leaving.delete(event.attempt);
  }

  effects(_nowUs: number, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "cancel_attempt") this.#leaving.delete(effect.attempt);
      if (effect.kind === "park_attempt" && effect.reason === "preempted") this.#check(effect.attempt);
    }
  }

  #check(attempt: string): void {
    this.#leaving.add(attempt);
    const parked = this.#knowledge.requestOf(attempt);
    if (parked === undefined) return;
    const { bands } = this.#knowledge.scheduling.queueing;
    const own = this.#knowledge.bandOf(parked);
    const more = [...this.#waiting()].filter(({ id }) => {
      const other = this.#knowledge.requestOf(id);
      if (other === undefined || other.model !== parked.model) return false;
      const band = this.#knowledge.bandOf(other);
      return band < own && bands[band]!.preempts;
    });
    const leaving = [...this.#leaving].filter((id) => {
      return this.#knowledge.requestOf(id)?.model === parked.model;
    });
    if (leaving.length <= more.length) return;
    const who = `${leaving.length} answers give way with ${attempt}`;
    this.#violate(requestOf(attempt), `${who}, and ${more.length} that are more urgent wait`);
  }
}
