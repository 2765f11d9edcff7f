import type { Endpoint } from "../fleet/endpoint.ts";
import { kvBytesOn } from "../fleet/worker.ts";
import { footprint, isWorthTrying } from "../placement/placement.ts";
import type { Queue } from "../queueing/queue.ts";
import type { Attempt, Packet } from "../request.ts";
import type { Attempts } from "./attempts.ts";
import { canCarry } from "./carrying.ts";

/** Of those who wait for a place, so many are looked at: the place may be of no use to some. */
const LOOKED_AT_MAX = 4;

/**
 * Who waits in a band that preempts takes the place of a less urgent answer: of the one that comes first to the end of a
 * packet of tokens. That answer is parked there with its KV state, and goes on under the same hold when there is room again.
 *
 * ```
 *   runs ── its packet ends, and somebody more urgent waits for its place ──▶ parked ──▶ in line behind them
 *    ▲                                                                                       │
 *    └─────────────────────────── there is room, and nobody more urgent ─────────────────────┘
 * ```
 * A packet counts from where the answer went on, so that some of it gets done before it is parked again.
 */
export class Preemption {
  readonly #queue: Queue;
  readonly #attempts: Attempts;
  readonly #packetTokens: number;
  /** Those that are on their way out for others, by model. */
  readonly #leaving = new Map<string, Set<Attempt>>();

  constructor(parts: { queue: Queue; attempts: Attempts; packetTokens: number }) {
    this.#queue = parts.queue;
    this.#attempts = parts.attempts;
    this.#packetTokens = parts.packetTokens;
  }

  /** Tokens of an answer have come. */
  generated(attempt: Attempt, tokens: number): void {
    if (!this.#queue.hasPreemptingBands) return;
    const done = attempt.generatedTokens - attempt.carriedTokens;
    const isAtEdge = Math.floor(done / this.#packetTokens) > Math.floor((done - tokens) / this.#packetTokens);
    if (!isAtEdge || !mayLeave(attempt) || !this.#isAwaited(attempt)) return;
    attempt.isYielding = true;
    this.#leavingOf(attempt.packet).add(attempt);
    this.#attempts.park(attempt, "preempted");
  }

  /** The attempt is over, whatever became of it. */
  ended(attempt: Attempt): void {
    if (attempt.isYielding) this.#leavingOf(attempt.packet).delete(attempt);
  }

  /** Whether somebody more urgent waits whom its place would help, and for whom no other is coming free. */
  #isAwaited({ packet, endpoint, kvBytes }: Attempt): boolean {
    let places = this.#leavingOf(packet).size;
    for (const waiting of this.#queue.moreUrgentThan(packet, LOOKED_AT_MAX + places)) {
      const { sessions, sessionKvBytes } = footprint(waiting, endpoint);
      const isUseful =
        sessions === 1 && isWorthTrying(endpoint, waiting) && sessionKvBytes <= kvBytes + roomOn(endpoint);
      if (isUseful && places-- === 0) return true;
    }
    return false;
  }

  #leavingOf({ request }: Packet): Set<Attempt> {
    let leaving = this.#leaving.get(request.model);
    if (leaving === undefined) this.#leaving.set(request.model, (leaving = new Set()));
    return leaving;
  }
}

/** Only an answer that another attempt can go on with. */
function mayLeave(attempt: Attempt): boolean {
  const { hasStarted, isParking, isPrefillOnly, slots, packet } = attempt;
  const isFree = hasStarted && !isParking && !isPrefillOnly && packet.rival === null;
  return isFree && slots === 1 && canCarry(attempt);
}

function roomOn({ worker }: Endpoint): number {
  return Math.max(0, worker.limits.kvBytesMax - kvBytesOn(worker));
}
