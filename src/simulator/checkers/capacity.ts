import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import { type Checker, type EndOfWorld, isEnd, type Violate } from "./checker.ts";
import type { AttemptsChecker } from "./attempts.ts";
import type { Knowledge } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/** The supervisor's own figures: they stay within every limit, agree with what it has decided, and end at nothing. */
export class CapacityChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #inspect: () => Inspection;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  readonly #requests = new Set<string>();
  /** Attempts under way, with the endpoint they were sent to and the places they take there. */
  readonly #attempts = new Map<string, { endpoint: string; places: number }>();
  readonly #remotes: ReadonlySet<string>;
  readonly #knowledge: Knowledge;
  readonly #tried: AttemptsChecker;
  #nowUs: Micros = 0;

  constructor(
    sources: {
      knowledge: Knowledge;
      attempts: AttemptsChecker;
      inspect: () => Inspection;
      waiting: () => ReadonlySet<WatchedPacket>;
    },
    violate: Violate,
  ) {
    this.#knowledge = sources.knowledge;
    this.#tried = sources.attempts;
    this.#config = sources.knowledge.config;
    this.#inspect = sources.inspect;
    this.#waiting = sources.waiting;
    this.#violate = violate;
    this.#remotes = new Set(this.#config.remotes.map(({ name }) => name));
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "request_arrived") this.#requests.add(event.request);
    if (isEnd(event)) this.#attempts.delete(event.attempt);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    let hasMoved = false;
    for (const effect of effects) {
      if (effect.kind === "dispatch") this.#dispatched(effect);
      else if (effect.kind === "cancel_attempt") this.#attempts.delete(effect.attempt);
      else if (effect.kind === "request_settled") this.#requests.delete(effect.record.request);
      else if (effect.kind !== "append_ledger") continue;
      hasMoved = true;
    }
    if (hasMoved) this.#check(this.#inspect());
  }

  end({ inspection, isDrained }: EndOfWorld): void {
    if (!isDrained) this.#violate(null, "the supervisor was asked to stop and has not");
    this.#check(inspection);
    const { requests, sessions, kvBytes, queue, openHolds } = inspection;
    const left = { requests, sessions, kvBytes, openHolds, queueBytes: queue.bytes };
    for (const [what, count] of Object.entries(left)) this.#expect(what, count, 0);
    for (const { worker, kvBytesReserved } of inspection.workers) {
      this.#expect(`bytes of KV cache on ${worker}`, kvBytesReserved, 0);
    }
  }

  /** A remote endpoint counts requests, the others choices. */
  #dispatched({ request, attempt, worker, model, choices }: Dispatch): void {
    const known = this.#knowledge.requestOf(attempt);
    if (known !== undefined && !this.#knowledge.hasLabels(worker, known)) {
      this.#violate(request, `${attempt} is sent to ${worker}, which has not the labels that are asked for`);
    }
    const places = this.#remotes.has(worker) ? 1 : choices;
    this.#attempts.set(attempt, { endpoint: `${worker}/${model}`, places });
  }

  #check(inspection: Inspection): void {
    const { limits } = this.#config;
    const load = this.#load();
    const places = [...load.values()].reduce((sum, each) => sum + each, 0);
    const { requests, sessions, kvBytes, queue } = inspection;
    this.#expect("requests", requests, this.#requests.size);
    this.#expect("sessions", sessions, places);
    this.#checkQueue(queue.packets);
    this.#limit("sessions", sessions, limits.sessionsMax);
    this.#limit("bytes of KV cache", kvBytes, limits.kvBytesMax);
    const begun = this.#begun();
    this.#limit("packets in the queue", queue.packets, limits.queuePacketsMax + begun.packets);
    this.#limit("bytes in the queue", queue.bytes, limits.queueBytesMax + begun.bytes);
    for (const { worker, models, inFlight: all } of inspection.workers) {
      this.#limit(`sessions on ${worker}`, all, this.#sessionsMax(worker));
      for (const { model, slots, inFlight } of models) {
        const endpoint = `${worker}/${model}`;
        this.#expect(`sessions on ${endpoint}`, inFlight, load.get(endpoint) ?? 0);
        this.#limit(`sessions on ${endpoint}`, inFlight, slots);
      }
    }
  }

  /** Answers on their way to other workers are not turned away, however full the queue is. */
  #begun(): { packets: number; bytes: number } {
    const begun = { packets: 0, bytes: 0 };
    for (const { id, attempts } of this.#waiting()) {
      if (attempts === 0 || !this.#tried.isBegun(id)) continue;
      begun.packets++;
      begun.bytes += this.#knowledge.requestOf(id)?.arrival.bodyBytes ?? 0;
    }
    return begun;
  }

  #sessionsMax(worker: string): number {
    return this.#knowledge.workers.get(worker)?.limits.sessionsMax ?? Infinity;
  }

  /** Those that have failed may be out of it for a while, before they are tried again. */
  #checkQueue(packets: number): void {
    const waiting = this.#waiting();
    if (packets === waiting.size) return;
    if (packets < waiting.size && this.#knowledge.hasAskedForTime) return;
    let back = 0;
    for (const packet of waiting) if (this.#isBack(packet)) back++;
    if (packets < waiting.size && packets >= back) return;
    this.#expect("packets in the queue", packets, waiting.size);
  }

  /** Whether the packet has been out of the line for as long as it may at most: never beyond half of the time that is left to it. */
  #isBack({ id, attempts, sinceUs }: WatchedPacket): boolean {
    const request = this.#knowledge.requestOf(id);
    if (attempts === 0 || request === undefined) return attempts === 0;
    const leftUs = request.arrivedUs + this.#config.timeouts.totalUs - sinceUs;
    const pauseUs = Math.min(this.#knowledge.pauseUs(this.#tried.failuresOf(id)), leftUs / 2);
    return this.#nowUs > sinceUs + pauseUs;
  }

  /** Places taken on each endpoint. */
  #load(): ReadonlyMap<string, number> {
    const load = new Map<string, number>();
    for (const { endpoint, places } of this.#attempts.values()) {
      load.set(endpoint, (load.get(endpoint) ?? 0) + places);
    }
    return load;
  }

  #expect(what: string, counted: number, expected: number): void {
    if (counted !== expected) this.#violate(null, `${counted} ${what} where there are ${expected}`);
  }

  #limit(what: string, counted: number, limit: number): void {
    if (counted > limit) this.#violate(null, `${counted} ${what} where the limit is ${limit}`);
  }
}
