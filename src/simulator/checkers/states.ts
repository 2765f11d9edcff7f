import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";

interface Kept {
  worker: string;
  attempt: string;
  fingerprint: string;
}

/**
 * KV states of parked answers: only what runs can be parked, and one answer at a time; whoever goes on with one is told where
 * its state is if it can load it; and it is freed once, when the next attempt has started or nobody will want it any more,
 * and not before. And nobody is asked to read a prompt for others where there are no others.
 */
export class StatesChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  /** By packet. */
  readonly #kept = new Map<string, Kept>();
  readonly #running = new Map<string, Dispatch>();
  /** The packet whose next attempt has started in this step. */
  #started: string | null = null;

  constructor(knowledge: Knowledge, violate: Violate) {
    this.#knowledge = knowledge;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#started = null;
    if (event.kind === "attempt_started" && this.#running.has(event.attempt)) {
      this.#started = packetOf(event.attempt);
    }
    if (event.kind === "attempt_parked") this.#parked(event.attempt, event.hasState);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    const over = new Set<string>();
    for (const effect of effects) {
      if (effect.kind === "request_settled") over.add(effect.record.request);
      if (effect.kind === "append_ledger" && effect.entry.operation !== "reserve") continue;
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind === "cancel_attempt") this.#running.delete(effect.attempt);
      if (effect.kind === "park_attempt") this.#checkPark(effect.attempt);
      if (effect.kind === "free_state") this.#freed(effect, effects);
    }
    for (const [packet, { attempt }] of this.#kept) {
      if (packet !== this.#started && !over.has(requestOf(packet))) continue;
      this.#violate(requestOf(packet), `the state of ${attempt} is of no use any more, and is not freed`);
      this.#kept.delete(packet);
    }
    for (const [attempt, { request }] of over.size === 0 ? [] : this.#running) {
      if (over.has(request)) this.#running.delete(attempt);
    }
  }

  end(_end: EndOfWorld): void {
    for (const [packet, { attempt }] of this.#kept) {
      this.#violate(requestOf(packet), `the state of ${attempt} has never been freed`);
    }
  }

  #parked(attempt: string, hasState: boolean): void {
    const dispatch = this.#running.get(attempt);
    if (dispatch === undefined || dispatch.choices > 1) return;
    this.#running.delete(attempt);
    const fingerprint = this.#servedAt(dispatch).stateFingerprint;
    if (!hasState || fingerprint === null) return;
    this.#kept.set(packetOf(attempt), { worker: dispatch.worker, attempt, fingerprint });
  }

  #dispatched(dispatch: Dispatch): void {
    const { request, attempt, worker, model, choices, resume, isPrefillOnly } = dispatch;
    this.#running.set(attempt, dispatch);
    const kept = this.#kept.get(packetOf(attempt));
    const isLoadable = kept !== undefined && this.#servedAt(dispatch).stateFingerprint === kept.fingerprint;
    const expected = isLoadable && resume?.attempt === kept.attempt ? kept.worker : null;
    const stateOn = resume?.stateOn ?? null;
    if (stateOn !== expected) {
      this.#violate(request, `${attempt} is told of a state on ${stateOn}, which is on ${expected}`);
    }
    if (!isPrefillOnly) return;
    if (resume !== null || choices > 1)
      this.#violate(request, `${attempt} is to read what can't be handed over`);
    const { modelHash } = this.#servedAt(dispatch);
    if (this.#knowledge.workers.get(worker)?.role !== "prefill") {
      this.#violate(request, `${attempt} is to read a prompt at ${worker}, which answers too`);
    }
    const hasDecoder = [...this.#knowledge.workers.values()].some(({ role, models }) => {
      return (
        role !== "prefill" &&
        models.some((served) => served.model === model && (served.modelHash ?? null) === modelHash)
      );
    });
    if (!hasDecoder) this.#violate(request, `${attempt} is to read a prompt that nobody can answer`);
  }

  #checkPark(attempt: string): void {
    const dispatch = this.#running.get(attempt);
    if (dispatch === undefined)
      return this.#violate(requestOf(attempt), `${attempt} is parked, and does not run`);
    if (dispatch.choices > 1) this.#violate(requestOf(attempt), `${attempt} is parked with several answers`);
  }

  #freed({ worker, attempt }: { worker: string; attempt: string }, effects: readonly Effect[]): void {
    const packet = packetOf(attempt);
    const kept = this.#kept.get(packet);
    if (kept?.attempt !== attempt || kept.worker !== worker) {
      return this.#violate(
        requestOf(attempt),
        `the state of ${attempt} on ${worker} is freed, and not there`,
      );
    }
    this.#kept.delete(packet);
    const isOver = effects.some((effect) => {
      const closes = effect.kind === "append_ledger" && effect.entry.operation !== "reserve";
      if (closes) return packetOf(effect.entry.hold) === packet;
      return effect.kind === "request_settled" && effect.record.request === requestOf(packet);
    });
    if (this.#started === packet || isOver) return;
    this.#violate(requestOf(attempt), `the state of ${attempt} is freed while somebody may want it`);
  }

  #servedAt({ worker, model }: Dispatch): { modelHash: string | null; stateFingerprint: string | null } {
    const served = this.#knowledge.workers.get(worker)?.models.find((each) => each.model === model);
    return { modelHash: served?.modelHash ?? null, stateFingerprint: served?.stateFingerprint ?? null };
  }
}
