import type { CoreConfig, Scheduling } from "../config.ts";
import type { Reservations } from "../budget/reservations.ts";
import type { Use } from "../budget/use.ts";
import type { AttemptFailed } from "../events.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { isWorthTrying } from "../placement/placement.ts";
import { type Attempt, NO_USAGE, type Packet, usageSoFar } from "../request.ts";
import { hasBegun, useOf } from "../settling/settle.ts";
import type { Steps } from "../steps.ts";
import type { Turn } from "../turn.ts";
import type { Attempts } from "./attempts.ts";
import type { Breakers } from "./breakers.ts";
import { carriedFrom, mayCarryOn } from "./carrying.ts";
import type { Races } from "./races.ts";
import { type Failure, failureError, mayRetry } from "./retry.ts";

interface Parts {
  turn: Turn;
  config: CoreConfig;
  scheduling: () => Scheduling;
  fleet: Fleet;
  attempts: Attempts;
  breakers: Breakers;
  races: Races;
  reservations: Reservations;
  steps: Steps;
}

/**
 * What follows an attempt that did not come to its end.
 *
 * ```
 *                 ┌── the endpoint was full ─────────────────▶ back in line
 *   attempt ──────┼── it races, and the other goes on ───────▶ out of the race
 *   fails         ├── nobody has been shown a token ─────────▶ again, on an endpoint not tried yet, after a pause
 *                 ├── tokens have been shown, and another
 *                 │   worker can go on from them ────────────▶ what was used is posted; the rest gets a hold of its own
 *                 └── no attempts or endpoints are left ─────▶ the request fails, and the client is told why
 * ```
 */
export class Recovery {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  failed(attempt: Attempt, { reason, message }: AttemptFailed): void {
    if (reason === "request_rejected" && attempt.carriedTokens > 0) this.#refusedToGoOn(attempt, message);
    else if (reason !== "at_capacity") this.attemptFailed(attempt, { reason, message });
    else if (!hasBegun(attempt)) this.#turnedAway(attempt);
    // Whoever says so after it has begun does not keep to the protocol.
    else this.attemptFailed(attempt, { reason: "endpoint_error", message });
  }

  /** The request was right when the answer began: what is wrong is the way in which it was to go on. */
  #refusedToGoOn(attempt: Attempt, message: string): void {
    this.attemptFailed(attempt, {
      reason: "endpoint_error",
      message: `It can't go on with the answer: ${message}`,
    });
  }

  /** It has sent nothing for too long. */
  silent(attempt: Attempt): void {
    this.#parts.turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: "silent" });
    const failure: Failure = hasBegun(attempt)
      ? { reason: "stalled", message: "The worker stopped sending tokens." }
      : { reason: "prefill_timeout", message: "The worker sent no first token in time." };
    this.attemptFailed(attempt, failure);
  }

  /** Their worker is gone, or does nothing. */
  lost(attempts: readonly Attempt[], failure: Failure): void {
    for (const attempt of attempts) {
      // Failing one attempt may have ended its request, and with it others of this list.
      if (this.#parts.attempts.get(attempt.id) === undefined) continue;
      this.#parts.turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: failure.reason });
      this.attemptFailed(attempt, failure);
    }
  }

  /** Tries elsewhere, or goes on elsewhere, while that is allowed and there is an endpoint left to try. */
  attemptFailed(attempt: Attempt, failure: Failure): void {
    const { packet, endpoint } = attempt;
    const { attempts, breakers, races, steps, scheduling } = this.#parts;
    packet.tried.add(attempt.life);
    if (failure.reason === "context_length_exceeded") packet.contextTokensMin = endpoint.contextTokens + 1;
    attempts.end(attempt);
    steps.left(attempt, "failed");
    breakers.failed(endpoint, failure.reason, scheduling().tail.breaker);
    const use = useOf(attempt, failure.reason);
    packet.usage = usageSoFar(attempt);
    packet.use = use;
    this.#carryOn(attempt, failure);
    if (packet.rival !== null) races.lose(packet);
    else if (this.#mayTryAgain(attempt, failure)) this.#tryAgain(packet, use);
    else steps.fail(packet.request, failureError(packet, failure));
    steps.placeWaitingOn(endpoint.worker);
  }

  /** What it has come to is not lost, if another worker can go on from there. */
  #carryOn(attempt: Attempt, { reason }: Failure): void {
    const { packet } = attempt;
    const hasComeForward = attempt.generatedTokens > attempt.carriedTokens;
    const isCarried =
      hasComeForward && this.#parts.scheduling().tail.migration && mayCarryOn(attempt, reason);
    packet.failures = isCarried ? 1 : packet.failures + 1;
    if (hasComeForward) this.#parts.steps.freeState(packet);
    if (isCarried) {
      packet.carried = carriedFrom(attempt, null);
      packet.request.migrations++;
    } else if (hasComeForward) {
      // An answer that had moved before has grown since, and can't go on from where it was then.
      packet.carried = null;
      packet.paid = NO_USAGE;
    }
  }

  /** Back in line, before those that have not been sent anywhere yet. */
  #turnedAway(attempt: Attempt): void {
    const { attempts, races, steps } = this.#parts;
    attempts.turnedAway(attempt);
    steps.left(attempt, "cancelled");
    if (attempt.packet.rival !== null) races.lose(attempt.packet);
    else steps.enqueue(attempt.packet);
    steps.placeWaitingOn(attempt.endpoint.worker);
  }

  #mayTryAgain(attempt: Attempt, failure: Failure): boolean {
    const { packet } = attempt;
    const { config, fleet } = this.#parts;
    const isAllowed = mayRetry(attempt, failure, config.retriesMax);
    // An answer that is shown already waits for a worker to come back, as for a free one.
    if (!isAllowed || packet.carried !== null) return isAllowed;
    return fleet.available(packet.request.model).some((other) => isWorthTrying(other, packet));
  }

  #tryAgain(packet: Packet, use: Use): void {
    const { reservations, steps } = this.#parts;
    packet.use = "none";
    if (packet.carried === null) packet.usage = NO_USAGE;
    if (use === "none") return steps.enqueue(packet);
    // What was used is charged by itself, and what is left to do gets a hold of its own.
    reservations.close(packet, use);
    if (packet.carried !== null) packet.paid = packet.usage;
    steps.reserve(packet);
  }
}
