import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Checker, Violate } from "./checker.ts";

/**
 * Between equal workers, work goes to one that has least of it, counted from dispatch on and
 * not from the next heartbeat. Watched where nothing fails, and for first attempts only: a
 * worker may refuse a packet while a cancellation is on its way to it, and is ruled out then.
 */
export class SpreadChecker implements Checker {
  readonly #violate: Violate;
  readonly #specs: ReadonlyMap<string, WorkerSpec>;
  /** Attempts of each model on each worker that has joined. */
  readonly #running = new Map<string, Map<string, string>>();

  constructor(workers: readonly WorkerSpec[], violate: Violate) {
    this.#violate = violate;
    this.#specs = new Map(workers.map((worker) => [worker.id, worker]));
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "attempt_finished" || event.kind === "attempt_failed") this.#release(event.attempt);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "worker_changed") this.#running.set(effect.worker, new Map());
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind === "cancel_attempt") this.#release(effect.attempt);
    }
  }

  #dispatched({ request, attempt, worker, model }: Dispatch): void {
    const chosen = this.#running.get(worker);
    if (chosen === undefined) return;
    for (const [other, running] of attempt.endsWith("#1") ? this.#running : []) {
      if (running.size < chosen.size && this.#hasSlot(other, model)) {
        const loads = `${chosen.size} running, where ${other} has ${running.size}`;
        this.#violate(request, `${attempt} is sent to ${worker} with ${loads}`);
      }
    }
    chosen.set(attempt, model);
  }

  #hasSlot(worker: string, model: string): boolean {
    const slots = this.#specs.get(worker)?.models.find((served) => served.model === model)?.slots ?? 0;
    let used = 0;
    for (const running of this.#running.get(worker)?.values() ?? []) if (running === model) used++;
    return used < slots;
  }

  #release(attempt: string): void {
    for (const running of this.#running.values()) running.delete(attempt);
  }
}
