import { type Endpoint, hasFreeSlot } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { isAvailable, type Worker } from "../fleet/worker.ts";
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

  /** The worker is about to stop: what it answers goes on elsewhere, as far as others have room; what is left, it ends itself. */
  empty(worker: Worker): void {
    this.#move([worker], (model) => this.#fleet.available(model));
  }

  /** The worker may have room: for what is left on those that are about to stop. */
  fill(worker: Worker): void {
    if (this.#fleet.draining.size === 0 || !isAvailable(worker)) return;
    this.#move(this.#fleet.draining, (model) => worker.endpoints.filter((to) => to.model === model));
  }

  #move(workers: Iterable<Worker>, endpointsOf: (model: string) => readonly Endpoint[]): void {
    const taken = new Map<Endpoint, number>();
    // Those that are on their way already will need a place as well.
    for (const { attempts } of this.#fleet.draining) {
      for (const { isParking, packet } of attempts)
        if (isParking) seat(packet, this.#fleet.available(packet.request.model), taken);
    }
    for (const { attempts } of workers) {
      for (const attempt of attempts) {
        if (!canMove(attempt)) continue;
        const { packet } = attempt;
        if (seat(packet, endpointsOf(packet.request.model), taken)) this.#attempts.park(attempt, "draining");
      }
    }
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
    packet.hasGivenWay = attempt.isYielding;
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

/** A hedged answer is where it is fastest already; one whose prompt is being read has nothing to take along yet. */
function canMove(attempt: Attempt): boolean {
  return attempt.hasStarted && !attempt.isParking && attempt.packet.rival === null && canCarry(attempt);
}

/** Counts a slot for the packet on any of the endpoints that has one left; false where none has. */
function seat(packet: Packet, endpoints: readonly Endpoint[], taken: Map<Endpoint, number>): boolean {
  const endpoint = endpoints.find((other) => {
    const seats = other.slots - other.inFlight - (taken.get(other) ?? 0);
    return seats > 0 && hasFreeSlot(other) && isWorthTrying(other, packet);
  });
  if (endpoint !== undefined) taken.set(endpoint, (taken.get(endpoint) ?? 0) + 1);
  return endpoint !== undefined;
}
