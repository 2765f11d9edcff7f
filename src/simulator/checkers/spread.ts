import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import { isHedge, packetOf } from "../ids.ts";
import type { Knowledge } from "./knowledge.ts";
import { type Checker, isEnd, type Violate } from "./checker.ts";

/**
 * Between equal workers, work goes to one that has least of it, counted from dispatch on and
 * not from the next heartbeat. Watched where nothing fails, and for first attempts only: a
 * worker may refuse a packet while a cancellation is on its way to it, and is ruled out then.
 */
export class SpreadChecker implements Checker {
  readonly #violate: Violate;
  readonly #inspect: () => Inspection;
  readonly #knowledge: Knowledge;
  /** Attempts on each worker that has joined, with their model and the places they take. */
  readonly #running = new Map<string, Map<string, { model: string; places: number }>>();

  constructor(sources: { knowledge: Knowledge; inspect: () => Inspection }, violate: Violate) {
    this.#violate = violate;
    this.#inspect = sources.inspect;
    this.#knowledge = sources.knowledge;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (isEnd(event)) this.#release(event.attempt);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "worker_changed") this.#running.set(effect.worker, new Map());
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind === "cancel_attempt") this.#release(effect.attempt);
    }
  }

  #dispatched({ request, attempt, worker, model, choices }: Dispatch): void {
    const chosen = this.#running.get(worker);
    if (chosen === undefined) return;
    for (const [other, running] of this.#isJudged(attempt) ? this.#running : []) {
      const hasLess = placesOf(running) < placesOf(chosen) && this.#hasSlots(other, model, choices);
      if (hasLess && !this.#isRefusing(other, model)) {
        const loads = `${placesOf(chosen)} running, where ${other} has ${placesOf(running)}`;
        this.#violate(request, `${attempt} is sent to ${worker} with ${loads}`);
      }
    }
    chosen.set(attempt, { model, places: choices });
  }

  /** A hedge does not go where the other of the two is; and some go only where there are certain labels. */
  #isJudged(attempt: string): boolean {
    const { placement, queueing } = this.#knowledge.scheduling;
    const isByLoad = placement.profile === "least-request" && placement.canary === null;
    if (!isByLoad || queueing.batching !== null) return false;
    const labels = this.#knowledge.requestOf(attempt)?.arrival.hints.labels ?? {};
    return attempt.endsWith("#1") && !isHedge(packetOf(attempt)) && Object.keys(labels).length === 0;
  }

  #hasSlots(worker: string, model: string, wanted: number): boolean {
    const slots =
      this.#knowledge.workers.get(worker)?.models.find((served) => served.model === model)?.slots ?? 0;
    return placesOf(this.#running.get(worker) ?? new Map(), model) + wanted <= slots;
  }

  /** It has turned an attempt away, as its engine has not seen yet that another is cancelled. */
  #isRefusing(worker: string, model: string): boolean {
    const models = this.#inspect().workers.find((each) => each.worker === worker)?.models;
    return models?.find((each) => each.model === model)?.isRefusing ?? false;
  }

  #release(attempt: string): void {
    for (const running of this.#running.values()) running.delete(attempt);
  }
}

/** Places taken, by one model where one is named. */
function placesOf(running: ReadonlyMap<string, { model: string; places: number }>, only?: string): number {
  let sum = 0;
  for (const { model, places } of running.values()) if (only === undefined || model === only) sum += places;
  return sum;
}
