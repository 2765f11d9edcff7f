import type { TailConfig } from "../config.ts";
import { newPacket, type Packet } from "../request.ts";
import { hasBegun, useOf } from "../settling/settle.ts";
import type { Steps } from "../steps.ts";
import type { Turn } from "../turn.ts";
import type { Attempts } from "./attempts.ts";
import { Hedging } from "./hedging.ts";

/**
 * Hedges: where a first token is late, a second packet for the same answer is sent to another endpoint, under a hold of its
 * own, and the first of the two to show a token is the answer.
 *
 * ```
 *   first  ──dispatch──────────── late ─────────────▶ first token ─▶ wins: the hedge is cancelled
 *                                  │
 *   hedge                          └─reserve─▶ place ─dispatch─▶ first token ─▶ wins: the first is cancelled
 * ```
 * Who loses pays for what it has used. A hedge never waits, neither for money nor for a place, and where one of the two
 * fails, the other goes on as if it had always been alone.
 */
export class Races {
  readonly #turn: Turn;
  readonly #attempts: Attempts;
  readonly #steps: Steps;
  readonly #hedging = new Hedging();

  constructor(turn: Turn, attempts: Attempts, steps: Steps) {
    this.#turn = turn;
    this.#attempts = attempts;
    this.#steps = steps;
  }

  /** A request has been planned: so many more hedges are affordable. */
  counted(config: TailConfig["hedge"]): void {
    this.#hedging.counted(config);
  }

  /** The packet has been sent: looks after it when most others would have had their first token. */
  dispatched(packet: Packet, config: TailConfig["hedge"]): void {
    packet.dispatchedUs ??= this.#turn.nowUs;
    const isAlone = packet.rival === null && packet.choices === 1 && packet.carried === null;
    const delayUs = isAlone ? this.#hedging.delayUs(packet.request.model, config) : null;
    if (delayUs !== null) packet.hedgeTimer = this.#turn.after(delayUs, { kind: "packet_slow", packet });
  }

  /** The first token is late: another endpoint is asked too, if one has room and the budget does. */
  slow(packet: Packet, config: TailConfig["hedge"]): void {
    const { attempt, request, choice, choices, maxTokens, isOnCredit } = packet;
    if (attempt === null || hasBegun(attempt) || config === null) return;
    if (!this.#hedging.isAffordable) return;
    const hedge = newPacket(request, { choice, choices, maxTokens, isOnCredit, isHedge: true });
    hedge.stageSinceUs = this.#turn.nowUs;
    hedge.heldTokens = maxTokens;
    for (const life of packet.tried) hedge.tried.add(life);
    hedge.tried.add(attempt.life);
    if (this.#steps.findPlace(hedge) === null) return;
    hedge.heldTokens = 0;
    hedge.rival = packet;
    // The client waits since the first was sent, whichever of them answers.
    hedge.dispatchedUs = packet.dispatchedUs;
    packet.rival = hedge;
    request.packets.push(hedge);
    request.hedges++;
    this.#hedging.spent();
    this.#steps.packetAdded();
    this.#steps.reserve(hedge);
  }

  /** A token has come. What the attempt has shown before decides whether it is the first. */
  token(packet: Packet, { isFirst }: { isFirst: boolean }): void {
    if (packet.rival !== null) this.lose(packet.rival);
    if (!isFirst || packet.attempt === null || packet.dispatchedUs === null) return;
    // By the name that it was asked under, as for the delay.
    this.#hedging.firstToken(packet.request.model, this.#turn.nowUs - packet.dispatchedUs);
    this.called(packet);
  }

  /** There is nothing to hedge any more. */
  called(packet: Packet): void {
    this.#turn.cancel(packet.hedgeTimer);
    packet.hedgeTimer = null;
  }

  /** The answer is the other's, because that was faster or this one has failed. */
  lose(packet: Packet): void {
    const { request, rival, attempt } = packet;
    if (rival !== null) rival.rival = null;
    packet.rival = null;
    if (attempt !== null) {
      packet.use = useOf(attempt, null);
      this.#attempts.cancel(attempt, "hedge_lost");
      this.#steps.left(attempt, "cancelled");
    }
    this.#steps.settlePacket(packet, packet.use);
    request.packets.splice(request.packets.indexOf(packet), 1);
    if (attempt !== null) this.#steps.placeWaitingOn(attempt.endpoint.worker);
  }
}
