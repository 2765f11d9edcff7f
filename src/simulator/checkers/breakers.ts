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
  /** Whether it is open or half-open is for the core to say. */
  isUnsure: boolean;
  running: Set<string>;
}

/** Failures that are the endpoint's fault, as it tells them or as we see them. */
const FAILED: ReadonlySet<string> = new Set([
  "unreachable",
  "endpoint_error",
  "stream_broken",
  "prefill_timeout",
  "silent",
  "stalled",
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
  /** Attempts that run. */
  readonly #at = new Map<string, Dispatch>();
  /** Those among them that have been asked to park. */
  /** Attempts that have read their prompt, or answer. */
  readonly #begun = new Set<string>();
  readonly #leaving = new Set<string>();
  #nowUs: Micros = 0;
  /** Of the event before. */
  #beforeUs: Micros = 0;
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
    this.#beforeUs = this.#nowUs;
    this.#nowUs = nowUs;
    if (event.kind === "attempt_started") this.#begun.add(event.attempt);
    if (event.kind === "attempt_output" && event.tokens > 0) this.#begun.add(event.attempt);
    if (event.kind === "attempt_finished") this.#succeeded(event.attempt);
    if (event.kind === "attempt_parked") this.#parked(event.attempt);
    if (event.kind === "attempt_failed") this.#failed(event.attempt, event.reason);
    if (event.kind === "policy_set" && this.#config === null) this.#breakers.clear();
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind === "park_attempt") this.#leaving.add(effect.attempt);
      if (effect.kind === "cancel_attempt") this.#cancelled(effect.attempt, effect.reason);
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

  #dispatched(dispatch: Dispatch): void {
    const { request, attempt, worker, model, isPrefillOnly } = dispatch;
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
    this.#at.set(attempt, dispatch);
    if (isPrefillOnly) this.#leaving.add(attempt);
  }

  /** An endpoint that stops an answer as it was asked to has done what it should, and one that was not asked has not. */
  #parked(attempt: string): void {
    const isAsked = this.#leaving.has(attempt) && this.#at.get(attempt)?.choices === 1;
    if (isAsked) this.#succeeded(attempt);
    else this.#failed(attempt, "endpoint_error");
  }

  #cancelled(attempt: string, reason: string): void {
    const isOverInTime = reason === "gpu_time_over" && this.#begun.has(attempt);
    if (reason === "credit_exhausted" || isOverInTime) this.#succeeded(attempt);
    else this.#failed(attempt, reason);
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
    // A request that was right when its answer began is not wrong because of how it goes on.
    const isOdd = reason === "request_rejected" && (this.#at.get(attempt)?.resume?.tokens ?? 0) > 0;
    const breaker = this.#forget(attempt);
    const config = this.#config;
    if (breaker === null || config === null || !(isOdd || FAILED.has(reason))) return;
    this.#isDue = true;
    const state = this.#stateOf(breaker);
    breaker.failures++;
    // It was due since the last event, and so was the failure: which of them came first, the timers know.
    if (state === "half_open" && breaker.openedUs! + breaker.openUs > this.#beforeUs) {
      breaker.isUnsure = true;
      return;
    }
    if (state === "open" || (state === "closed" && breaker.failures < config.failures)) return;
    this.#happened(state === "closed" ? "breakers that opened" : "breakers that opened again");
    Object.assign(breaker, { openedUs: this.#nowUs, openUs: config.openUs, successes: 0 });
  }

  #forget(attempt: string): Breaker | null {
    const dispatch = this.#at.get(attempt);
    if (dispatch === undefined) return null;
    this.#at.delete(attempt);
    this.#leaving.delete(attempt);
    this.#begun.delete(attempt);
    const breaker = this.#breakerOf(`${dispatch.worker}/${dispatch.model}`);
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
        if (known?.isUnsure) {
          known.isUnsure = false;
          const openUs = this.#config?.openUs ?? known.openUs;
          if (breaker === "open") Object.assign(known, { openedUs: this.#nowUs, openUs, successes: 0 });
        }
        const expected = known === undefined ? "closed" : this.#stateOf(known);
        // At the instant at which it is due, the timer may not have fired yet.
        const isTurning = known !== undefined && (known.openedUs ?? 0) + known.openUs === this.#nowUs;
        if (breaker === expected || isTurning) continue;
        this.#violate(null, `the breaker of ${worker}/${model} is ${breaker}, and should be ${expected}`);
      }
    }
  }

  #breakerOf(endpoint: string): Breaker {
    let breaker = this.#breakers.get(endpoint);
    if (breaker === undefined) {
      const fresh = { failures: 0, openedUs: null, openUs: 0, successes: 0, isUnsure: false };
      this.#breakers.set(endpoint, (breaker = { ...fresh, running: new Set<string>() }));
    }
    return breaker;
  }
}
