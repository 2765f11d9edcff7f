import { type Endpoint, hasFreeSlot } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Worker } from "../fleet/worker.ts";
import { isWorthTrying } from "../placement/placement.ts";
import { type Attempt, type Packet, usageSoFar } from "../request.ts";
import { useOf } from "../settling/settle.ts";
import type { Steps } from "../steps.ts";
import type { Turn } from "../turn.ts";
import type { Attempts } from "./attempts.ts";
import { canCarry, carriedFrom, stateLeftBy } from "./carrying.ts";

/**
 * Answers that go from one living worker to another, with their KV state: from those that read prompts to those that
 * answer, and from those that are about to stop.
 *
 * ```
 *   running ── park ──▶ parked: its state waits at the worker ──▶ in line, before all that is new
 *                                                                    │
 *   freed  ◀── the next attempt has started, or the packet is over ──┘ dispatched, with the state's address
 * ```
 * The hold stays: nothing is charged for a move. A worker that can't load the state reads prompt and tokens again.
 */
export class Moves {
  readonly #turn: Turn;
  readonly #fleet: Fleet;
  readonly #attempts: Attempts;
  readonly #steps: Steps;

  constructor(parts: { turn: Turn; fleet: Fleet; attempts: Attempts; steps: Steps }) {
    this.#turn = parts.turn;
    this.#fleet = parts.fleet;
    this.#attempts = parts.attempts;
    this.#steps = parts.steps;
  }

  /**
   * The worker is about to stop: what it answers goes on elsewhere, as far as others have room for it. To be asked again when
   * they have more; without any, it ends what it has begun.
   */
  empty(worker: Worker): void {
    const leaving = [...worker.attempts].filter(({ isParking }) => isParking);
    const taken = new Map<Endpoint, number>();
    for (const { packet } of leaving) this.#seat(packet, taken);
    for (const attempt of worker.attempts) {
      const { packet, isParking, hasStarted } = attempt;
      if (isParking || packet.rival !== null || !canCarry(attempt) || !hasStarted) continue;
      if (this.#seat(packet, taken)) this.#attempts.park(attempt);
    }
  }

  /** Counts a slot for the packet on any other endpoint that has one left; false where none has. */
  #seat(packet: Packet, taken: Map<Endpoint, number>): boolean {
    const endpoint = this.#fleet.available(packet.request.model).find((other) => {
      const seats = other.slots - other.inFlight - (taken.get(other) ?? 0);
      return seats > 0 && hasFreeSlot(other) && isWorthTrying(other, packet);
    });
    if (endpoint !== undefined) taken.set(endpoint, (taken.get(endpoint) ?? 0) + 1);
    return endpoint !== undefined;
  }

  /** It has stopped between two tokens. */
  parked(attempt: Attempt, { hasState }: { hasState: boolean }): void {
    const { packet, endpoint } = attempt;
    this.#attempts.end(attempt);
    this.#steps.left(attempt, "completed");
    this.freeState(packet);
    packet.failures = 0;
    packet.carried = carriedFrom(attempt, hasState ? stateLeftBy(attempt) : null);
    packet.usage = usageSoFar(attempt);
    packet.use = useOf(attempt, null);
    if (!attempt.isPrefillOnly) packet.request.migrations++;
    this.#steps.enqueue(packet);
    this.#steps.placeWaitingOn(endpoint.worker);
  }

  /** The state that the packet goes on from has been fetched, or nobody will. */
  freeState({ carried }: Packet): void {
    if (carried === null || carried.state === null) return;
    this.#turn.emit({ kind: "free_state", worker: carried.state.worker, attempt: carried.attempt });
    carried.state = null;
  }
}
