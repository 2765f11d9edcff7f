import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Inspection, WorkerInspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf, requestOf } from "../ids.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Checker, Violate } from "./checker.ts";
import { servedName } from "./names.ts";
import { areManyTried, type WatchedPacket } from "./lifecycle.ts";

interface Needed {
  id: string;
  model: string;
  places: number;
  /** In each place. */
  tokens: number;
}

/**
 * Nobody waits beside room: whoever is first in line for a model is placed as soon as a worker
 * could take it. This is what a wake-up that gets lost looks like from outside.
 */
export class WaitingChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #inspect: () => Inspection;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  readonly #specs: ReadonlyMap<string, WorkerSpec>;
  readonly #models = new Set<string>();
  readonly #requests = new Map<string, { arrival: RequestArrived; model: string }>();

  constructor(
    config: CoreConfig,
    sources: {
      inspect: () => Inspection;
      waiting: () => ReadonlySet<WatchedPacket>;
      workers: readonly WorkerSpec[];
    },
    violate: Violate,
  ) {
    this.#config = config;
    this.#inspect = sources.inspect;
    this.#waiting = sources.waiting;
    this.#specs = new Map(sources.workers.map((worker) => [worker.id, worker]));
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind !== "request_arrived") return;
    const model = servedName(event.model, this.#config);
    this.#models.add(model);
    this.#requests.set(event.request, { arrival: event, model });
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "request_settled") this.#requests.delete(effect.record.request);
    }
    if (this.#waiting().size === 0) return;
    const inspection = this.#inspect();
    const seen = new Set<string>();
    for (const packet of this.#waiting()) {
      const { arrival, model } = this.#requests.get(requestOf(packet.id))!;
      // One that has been tried before may not go everywhere; it is not held to this, nor those behind the first.
      if (packet.attempts > 0 || seen.has(model)) continue;
      seen.add(model);
      this.#check({ id: packet.id, ...this.#mostNeeded(packet, { arrival, model }) }, inspection);
      // The line may be long.
      if (seen.size === this.#models.size) return;
    }
  }

  /** Of places, and of tokens in each: what the core has planned can be less. */
  #mostNeeded(
    { id }: WatchedPacket,
    { arrival, model }: { arrival: RequestArrived; model: string },
  ): Omit<Needed, "id"> {
    const ceiling = arrival.maxTokens ?? this.#config.models[model]?.maxTokensDefault ?? Infinity;
    return { model, places: arrival.choices - choiceOf(id), tokens: arrival.promptTokensMax + ceiling };
  }

  #check(needed: Needed, inspection: Inspection): void {
    const { id, model, places, tokens } = needed;
    for (const worker of inspection.workers) {
      const served = worker.models.find((each) => each.model === model);
      if (served === undefined || served.inFlight + places > served.slots || served.isRefusing) continue;
      const tokenBytes = this.#tokenBytes(worker.worker, model);
      const sessionBytes = Math.min(tokens, served.contextTokens) * tokenBytes;
      if (
        this.#hasRoom(worker, { places, sessionBytes }) &&
        this.#systemHasRoom(inspection, needed, tokenBytes)
      ) {
        if (areManyTried(this.#waiting())) return;
        this.#violate(requestOf(id), `${id} waits while ${worker.worker} has room for it`);
      }
    }
  }

  /** What others have on a worker is not known to the byte, so workers they use are left out. */
  #hasRoom(
    { worker, status, isStalled, inFlight, foreignSessions, kvBytesReserved }: WorkerInspection,
    { places, sessionBytes }: { places: number; sessionBytes: number },
  ): boolean {
    const spec = this.#specs.get(worker);
    // One that can't be stopped at a token may not be given what is held in part only.
    if (spec === undefined || spec.dialect !== "headgate") return false;
    if (status !== "alive" || isStalled || foreignSessions > 0) return false;
    const { sessionsMax, sessionKvBytesMax, kvBytesMax } = spec.limits;
    return (
      inFlight + places <= sessionsMax &&
      sessionBytes <= sessionKvBytesMax &&
      kvBytesReserved + sessionBytes * places <= kvBytesMax
    );
  }

  /** The limit of the system is asked for the worker that is chosen, which may have a longer context. */
  #systemHasRoom({ sessions, kvBytes }: Inspection, { places, tokens }: Needed, tokenBytes: number): boolean {
    const { sessionsMax, kvBytesMax } = this.#config.limits;
    return sessions + places <= sessionsMax && kvBytes + tokens * tokenBytes * places <= kvBytesMax;
  }

  /** Of a worker that serves whatever it is asked for none is known, and none is needed. */
  #tokenBytes(worker: string, model: string): number {
    const served = this.#specs.get(worker)?.models.find((each) => each.model === model);
    return served?.kvBytesPerToken ?? Infinity;
  }
}
