import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection, WorkerInspection } from "../../core/inspection.ts";
import { resolveModel } from "../../core/planning/plan.ts";
import type { Micros } from "../../core/units.ts";
import { requestOf } from "../ids.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Checker, Violate } from "./checker.ts";
import type { WatchedPacket } from "./lifecycle.ts";

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
  readonly #models = new Map<string, string>();

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
    this.#models.set(event.request, resolveModel(event.model, this.#config.aliases));
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "request_settled") this.#models.delete(effect.record.request);
    }
    if (this.#waiting().size === 0) return;
    const inspection = this.#inspect();
    const seen = new Set<string>();
    for (const packet of this.#waiting()) {
      const model = this.#models.get(requestOf(packet.id))!;
      // One that has been tried before may not go everywhere; it is not held to this, nor those behind the first.
      if (packet.attempts > 0 || seen.has(model)) continue;
      seen.add(model);
      this.#check(packet, model, inspection);
    }
  }

  #check(packet: WatchedPacket, model: string, inspection: Inspection): void {
    for (const worker of inspection.workers) {
      const served = worker.models.find((each) => each.model === model);
      if (served === undefined || served.inFlight >= served.slots || served.isRefusing) continue;
      const tokens = packet.worstCase.inputTokens + packet.worstCase.outputTokens;
      const bytesPerToken = this.#kvBytesPerToken(worker, model);
      const hasRoom = this.#hasRoom(worker, Math.min(tokens, served.contextTokens) * bytesPerToken);
      // The limit of the system is asked for the worker that is chosen, which may have a longer context.
      if (hasRoom && this.#systemHasRoom(inspection, tokens * bytesPerToken)) {
        this.#violate(requestOf(packet.id), `${packet.id} waits while ${worker.worker} has room for it`);
      }
    }
  }

  /** What others have on a worker is not known to the byte, so workers they use are left out. */
  #hasRoom(
    { worker, status, inFlight, foreignSessions, kvBytesReserved }: WorkerInspection,
    kvBytes: number,
  ): boolean {
    const limits = this.#specs.get(worker)?.limits;
    if (limits === undefined || status !== "alive" || foreignSessions > 0) return false;
    return (
      inFlight < limits.sessionsMax &&
      kvBytes <= limits.sessionKvBytesMax &&
      kvBytesReserved + kvBytes <= limits.kvBytesMax
    );
  }

  #systemHasRoom({ sessions, kvBytes: usedBytes }: Inspection, kvBytes: number): boolean {
    const { sessionsMax, kvBytesMax } = this.#config.limits;
    return sessions < sessionsMax && usedBytes + kvBytes <= kvBytesMax;
  }

  #kvBytesPerToken({ worker }: WorkerInspection, model: string): number {
    const served = this.#specs.get(worker)?.models.find((each) => each.model === model);
    return served?.kvBytesPerToken ?? 0;
  }
}
