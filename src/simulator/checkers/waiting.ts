import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection, WorkerInspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import { isHedge, packetOf, requestOf } from "../ids.ts";
import type { AttemptsChecker } from "./attempts.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge, KnownRequest } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";
import { LOOKED_AT } from "./overtaking.ts";

/** One that so many have gone by may keep those behind it waiting, until there is room for it. */
const OVERTAKEN_MAX = 32;

/** One that has been tried, and may have found no place for each of so many, hides what stands behind them. */
const TRIED_MAX = 256;

/**
 * Nobody waits beside room, where a packet may go wherever there is room for it. Whoever has been tried is placed as soon as a
 * worker that has not failed it could take it, and so are the first of each flow. This is what a wake-up that gets lost
 * looks like from outside.
 */
export class WaitingChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  readonly #attempts: AttemptsChecker;
  readonly #inspect: () => Inspection;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  /** How often those that wait have been overtaken, at most. */
  readonly #overtaken = new Map<string, number>();
  /** How long one that has failed may stay out of the line. */
  #pauseUs: Micros;
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
    this.#attempts = sources.attempts;
    this.#inspect = sources.inspect;
    this.#waiting = sources.waiting;
    this.#pauseUs = this.#knowledge.scheduling.tail.backoff.maxUs;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "policy_set") {
      this.#pauseUs = Math.max(this.#pauseUs, event.scheduling.tail?.backoff.maxUs ?? 0);
    }
  }

  /** After `LifecycleChecker`: who has been served does not wait any more. */
  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    const waiting = this.#waiting();
    if (waiting.size === 0) return this.#overtaken.clear();
    if (!this.#knowledge.isPlain || this.#knowledge.hasAskedForTime) return;
    for (const effect of effects) if (effect.kind === "dispatch") this.#count(effect.attempt);
    const inspection = this.#inspect();
    const free = inspection.workers.filter((worker) => this.#isOpen(worker));
    if (free.length > 0) this.#look(inspection, free);
  }

  /** Whoever is still there may have been overtaken. */
  #count(attempt: string): void {
    const served = this.#knowledge.requestOf(attempt);
    if (isHedge(packetOf(attempt))) return;
    for (const { id } of this.#waiting()) {
      if (this.#knowledge.requestOf(id)?.model !== served?.model) continue;
      this.#overtaken.set(id, (this.#overtaken.get(id) ?? 0) + 1);
    }
  }

  #look(inspection: Inspection, free: readonly WorkerInspection[]): void {
    const seen = new Map<string, number>();
    let tried = 0;
    for (const packet of this.#waiting()) {
      const request = this.#knowledge.requestOf(packet.id)!;
      if (packet.attempts > 0) {
        // It may be out of the line for a while.
        const isBack = this.#nowUs - packet.sinceUs > this.#pauseUs;
        if (++tried > TRIED_MAX) return;
        if (isBack) this.#check(packet, request, { inspection, free });
        continue;
      }
      const flow = `${request.model} ${this.#knowledge.flowOf(request)}`;
      const place = (seen.get(flow) ?? 0) + 1;
      seen.set(flow, place);
      if (place <= LOOKED_AT) this.#check(packet, request, { inspection, free });
      if ((this.#overtaken.get(packet.id) ?? 0) >= OVERTAKEN_MAX) return;
    }
  }

  #check(
    { id, attempts }: WatchedPacket,
    request: KnownRequest,
    { inspection, free }: { inspection: Inspection; free: readonly WorkerInspection[] },
  ): void {
    const { places, tokens } = this.#knowledge.needOf(id, request);
    for (const worker of free) {
      const served = worker.models.find(({ model }) => model === request.model);
      if (served === undefined || served.inFlight + places > served.slots || served.isRefusing) continue;
      // A hedge that goes on alone has been nowhere yet, and can't go where the first has failed.
      const isNew = attempts === 0 && !isHedge(id);
      const isFit = isNew || this.#attempts.mayGoTo(id, { worker: worker.worker, model: request.model });
      if (!isFit || !this.#knowledge.hasLabels(worker.worker, request)) continue;
      const tokenBytes = this.#tokenBytes(worker.worker, request.model);
      const sessionBytes = Math.min(tokens, served.contextTokens) * tokenBytes;
      const { sessions, kvBytes } = inspection;
      const { sessionsMax, kvBytesMax } = this.#knowledge.config.limits;
      // The limit of the system is asked for the worker that is chosen, which may have a longer context.
      const isTaken =
        sessions + places <= sessionsMax && kvBytes + tokens * tokenBytes * places <= kvBytesMax;
      if (!isTaken || !this.#hasRoom(worker, { places, sessionBytes })) continue;
      return this.#violate(requestOf(id), `${id} waits while ${worker.worker} has room for it`);
    }
  }

  /**
   * Whether the worker takes whatever is sent to any. One that can't be stopped at a token may not be given what is held
   * in part only; what others have on a worker is not known to the byte, so workers they use are left out.
   */
  #isOpen({ worker, status, isStalled, foreignSessions, models }: WorkerInspection): boolean {
    const spec = this.#knowledge.workers.get(worker);
    if (spec === undefined || spec.dialect !== "headgate") return false;
    if (status !== "alive" || isStalled || foreignSessions > 0) return false;
    return models.some(({ inFlight, slots }) => inFlight < slots);
  }

  #hasRoom(
    { worker, inFlight, kvBytesReserved }: WorkerInspection,
    { places, sessionBytes }: { places: number; sessionBytes: number },
  ): boolean {
    const { sessionsMax, sessionKvBytesMax, kvBytesMax } = this.#knowledge.workers.get(worker)!.limits;
    return (
      inFlight + places <= sessionsMax &&
      sessionBytes <= sessionKvBytesMax &&
      kvBytesReserved + sessionBytes * places <= kvBytesMax
    );
  }

  /** Of a worker that serves whatever it is asked for none is known, and none is needed. */
  #tokenBytes(worker: string, model: string): number {
    const served = this.#knowledge.workers.get(worker)?.models.find((each) => each.model === model);
    return served?.kvBytesPerToken ?? Infinity;
  }
}
