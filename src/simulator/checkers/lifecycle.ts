import type { CoreConfig } from "../../core/config.ts";
import type { Effect, FailRequest } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { mayFollow, type Stage } from "../../core/lifecycle.ts";
import type { Micros } from "../../core/units.ts";
import type { Charge } from "../../core/vocabulary.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";

export interface WatchedPacket {
  id: string;
  stage: Stage;
  sinceUs: Micros;
  /** Its hold: position in the ledger, and what it covers. */
  hold: number;
  worstCase: Charge;
  /** Its hold was closed in this step: it settles, unless another follows. */
  isClosing: boolean;
  attempt: string | null;
  attempts: number;
}

const NOTHING: Charge = { inputTokens: 0, outputTokens: 0, requests: 0 };

/** Tells the stage of every packet from outside, and holds it to `core/lifecycle.ts` and to the queue's timeout. */
export class LifecycleChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #packets = new Map<string, WatchedPacket>();
  readonly #transitions = new Set<string>();
  readonly #waiting = new Set<WatchedPacket>();
  readonly #touched = new Set<WatchedPacket>();
  #arriving: string | null = null;
  #nowUs: Micros = 0;

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
  }

  /** Every transition that was taken, as `from→to`. */
  get transitions(): ReadonlySet<string> {
    return this.#transitions;
  }

  /** Packets in the queue, in the order in which they came there. */
  get waiting(): ReadonlySet<WatchedPacket> {
    return this.#waiting;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    this.#arriving = event.kind === "request_arrived" ? event.request : null;
    switch (event.kind) {
      case "ledger_durable":
        for (const packet of this.#packets.values()) {
          if (packet.stage === "reserve" && packet.hold <= event.through) this.#move(packet, "queue");
        }
        return;
      case "attempt_output":
      case "attempt_finished":
      case "attempt_failed": {
        const packet = this.#packets.get(packetOf(event.attempt));
        if (packet?.attempt !== event.attempt) return;
        this.#touched.add(packet);
        if (event.kind !== "attempt_output") packet.attempt = null;
        if (event.kind !== "attempt_failed" && packet.stage === "dispatch") this.#move(packet, "stream");
        return;
      }
      default:
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) this.#effect(effect);
    for (const packet of this.#touched) this.#conclude(packet);
    this.#touched.clear();
  }

  #effect(effect: Effect): void {
    switch (effect.kind) {
      case "append_ledger": {
        const { operation, hold, sequence, charge } = effect.entry;
        const packet = this.#packet(packetOf(hold));
        this.#touched.add(packet);
        packet.isClosing = operation !== "reserve";
        if (packet.isClosing) return;
        packet.hold = sequence;
        packet.worstCase = charge;
        return this.#move(packet, "reserve");
      }
      case "dispatch": {
        const packet = this.#packet(packetOf(effect.attempt));
        if (packet.stage !== "queue") this.#move(packet, "queue");
        this.#move(packet, "place");
        this.#move(packet, "dispatch");
        packet.attempt = effect.attempt;
        packet.attempts++;
        return;
      }
      case "cancel_attempt": {
        const packet = this.#packet(packetOf(effect.attempt));
        if (packet.attempt !== effect.attempt) {
          return this.#violate(requestOf(effect.attempt), `${effect.attempt} is cancelled, but was over`);
        }
        packet.attempt = null;
        this.#touched.add(packet);
        return;
      }
      case "fail_request":
        return this.#refused(effect);
      default:
    }
  }

  /** What a packet's step came to, once all of its effects are known. */
  #conclude(packet: WatchedPacket): void {
    if (packet.isClosing) {
      this.#move(packet, "settle");
      this.#packets.delete(packet.id);
      return;
    }
    const isRunning = packet.stage === "dispatch" || packet.stage === "stream";
    if (isRunning && packet.attempt === null) this.#move(packet, "queue");
  }

  /** A request that is turned away owns no packets; only its error tells where it was. */
  #refused({ request, error }: FailRequest): void {
    if (request !== this.#arriving) return;
    const isPlanned = error.code === "invalid_request" || error.code === "context_length_exceeded";
    if (isPlanned) this.#took("admit", "plan");
    this.#took(isPlanned ? "plan" : "admit", "settle");
  }

  #packet(id: string): WatchedPacket {
    let packet = this.#packets.get(id);
    if (packet === undefined) {
      this.#took("admit", "plan");
      const fresh = { hold: 0, worstCase: NOTHING, isClosing: false, attempt: null, attempts: 0 };
      packet = { id, stage: "plan", sinceUs: this.#nowUs, ...fresh };
      this.#packets.set(id, packet);
    }
    return packet;
  }

  #move(packet: WatchedPacket, to: Stage): void {
    const { id, stage, sinceUs } = packet;
    if (!mayFollow(stage, to)) this.#violate(requestOf(id), `${id} goes from ${stage} to ${to}`);
    if (stage === "queue" && this.#nowUs - sinceUs > this.#config.timeouts.queueUs) {
      this.#violate(
        requestOf(id),
        `${id} waited ${(this.#nowUs - sinceUs) / 1e6} s, more than queue_timeout`,
      );
    }
    this.#took(stage, to);
    if (stage === "queue") this.#waiting.delete(packet);
    if (to === "queue") this.#waiting.add(packet);
    packet.stage = to;
    packet.sinceUs = this.#nowUs;
  }

  #took(from: Stage, to: Stage): void {
    this.#transitions.add(`${from}→${to}`);
  }
}
