import type { TailConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";

interface Breaker {
  /** Failures in a row while it is closed. */
  failures: number;
  /** Since when it has been open; null for one that is closed. */
  openedUs: Micros | null;
  openUs: Micros;
  /** Successes after the time in which it was open. */
  successes: number;
  running: Set<string>;
}

/** Failures that are not the endpoint's fault. */
const INNOCENT: ReadonlySet<string> = new Set([
  "at_capacity",
  "request_rejected",
  "context_length_exceeded",
  "worker_lost",
]);

/**
 * An endpoint that has failed so often in a row is sent nothing for a while, then one at a time until enough of them have
 * come to their end, and then as before. Each breaker is told from outside, and compared with the core's own.
 */
export class BreakersChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  readonly #inspect: () => Inspection;
  readonly #happened: (what: string) => void;
  readonly #breakers = new Map<string, Breaker>();
  /** Where attempts run. */
  readonly #at = new Map<string, string>();
  #nowUs: Micros = 0;
  /** Something has happened that a breaker goes by. */
  #isDue = false;

  constructor(
    sources: { knowledge: Knowledge; inspect: () => Inspection; happened: (what: string) => void },
    violate: Violate,
  ) {
    this.#knowledge = sources.knowledge;
    this.#happened = sources.happened;
    this.#inspect = sources.inspect;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "attempt_finished") this.#succeeded(event.attempt);
    if (event.kind === "attempt_parked") this.#forget(event.attempt);
    if (event.kind === "attempt_failed") this.#failed(event.attempt, event.reason);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind === "cancel_attempt") this.#failed(effect.attempt, effect.reason);
      if (effect.kind === "worker_changed") {
        if (effect.status === "evicted" || effect.reason === "restarted") this.#renew(effect.worker);
      }
    }
    if (this.#isDue) this.#compare();
    this.#isDue = false;
  }

  get #config(): TailConfig["breaker"] {
    return this.#knowledge.scheduling.tail.breaker;
  }

  #stateOf({ openedUs, openUs }: Breaker): "closed" | "open" | "half_open" {
    if (openedUs === null) return "closed";
    return this.#nowUs < openedUs + openUs ? "open" : "half_open";
  }

  #dispatched({ request, attempt, worker, model }: Dispatch): void {
    const endpoint = `${worker}/${model}`;
    const breaker = this.#breakerOf(endpoint);
    const state = this.#stateOf(breaker);
    if (state === "open") this.#violate(request, `${attempt} is sent to ${endpoint}, whose breaker is open`);
    if (state === "half_open" && breaker.running.size > 0) {
      this.#violate(
        request,
        `${attempt} is sent to ${endpoint}, whose breaker is half-open and has one to try`,
      );
    }
    breaker.running.add(attempt);
    this.#at.set(attempt, endpoint);
  }

  #succeeded(attempt: string): void {
    const breaker = this.#forget(attempt);
    if (breaker === null) return;
    this.#isDue = true;
    breaker.failures = 0;
    if (this.#config === null || this.#stateOf(breaker) !== "half_open") return;
    if (++breaker.successes < this.#config.successes) return;
    breaker.openedUs = null;
    this.#happened("breakers that closed again");
  }

  #failed(attempt: string, reason: string): void {
    const breaker = this.#forget(attempt);
    const config = this.#config;
    const isCounted = reason === "silent" || reason === "stalled" || FAILED.has(reason);
    if (breaker === null || config === null || !isCounted || INNOCENT.has(reason)) return;
    this.#isDue = true;
    const state = this.#stateOf(breaker);
    breaker.failures++;
    if (state === "open" || (state === "closed" && breaker.failures < config.failures)) return;
    this.#happened(state === "closed" ? "breakers that opened" : "breakers that opened again");
    Object.assign(breaker, { openedUs: this.#nowUs, openUs: config.openUs, successes: 0 });
  }

  #forget(attempt: string): Breaker | null {
    const endpoint = this.#at.get(attempt);
    if (endpoint === undefined) return null;
    this.#at.delete(attempt);
    const breaker = this.#breakerOf(endpoint);
    breaker.running.delete(attempt);
    return breaker;
  }

  /** The process behind a worker is another one. */
  #renew(worker: string): void {
    for (const endpoint of this.#breakers.keys()) {
      if (endpoint.startsWith(`${worker}/`)) this.#breakers.delete(endpoint);
    }
  }

  #compare(): void {
    for (const { worker, models } of this.#inspect().workers) {
      for (const { model, breaker } of models) {
        const known = this.#breakers.get(`${worker}/${model}`);
        const expected = known === undefined ? "closed" : this.#stateOf(known);
        // At the instant at which it is due, the timer may not have fired yet.
        const isTurning = known?.openedUs != null && known.openedUs + known.openUs === this.#nowUs;
        if (breaker === expected || isTurning) continue;
        this.#violate(null, `the breaker of ${worker}/${model} is ${breaker}, and should be ${expected}`);
      }
    }
  }

  #breakerOf(endpoint: string): Breaker {
    let breaker = this.#breakers.get(endpoint);
    if (breaker === undefined) {
      const fresh = { failures: 0, openedUs: null, openUs: 0, successes: 0, running: new Set<string>() };
      this.#breakers.set(endpoint, (breaker = fresh));
    }
    return breaker;
  }
}

/** As endpoints tell it. */
const FAILED: ReadonlySet<string> = new Set([
  "unreachable",
  "endpoint_error",
  "stream_broken",
  "prefill_timeout",
]);
