import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Effect, FailRequest, FinishAnswer } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { mayFollow, type Stage } from "../../core/lifecycle.ts";
import type { Micros } from "../../core/units.ts";
import { bandFor } from "./bands.ts";
import type { Knowledge } from "./knowledge.ts";
import { answerOf, packetOf, requestOf } from "../ids.ts";
import { type Checker, isEnd, type Violate } from "./checker.ts";

export interface WatchedPacket {
  id: string;
  stage: Stage;
  sinceUs: Micros;
  /** Position in the ledger of its hold; null while it waits for its budget. */
  hold: number | null;
  /** Its hold was closed in this step: it settles, unless another follows. */
  isClosing: boolean;
  /** Its attempt has failed in this step: where its hold is closed, another has to follow. */
  hasFailed: boolean;
  attempt: string | null;
  attempts: number;
  /** Time in line, all waits together that are over. */
  queuedUs: Micros;
  /** It goes on with an answer, and does not begin one. */
  isBegun: boolean;
  /** It stands back for somebody more urgent, for as long as its request may last. */
  hasGivenWay: boolean;
  /** The client has been told that its answer ends. */
  isAnswered: boolean;
}

/** Why attempts are cancelled that have failed. */
const FAILURES: ReadonlySet<string> = new Set(["silent", "stalled", "worker_lost"]);

/**
 * Tells the stage of every packet from outside, and holds it to `core/lifecycle.ts`, to the queue's
 * timeout, and to the time that its client would wait for its budget.
 */
export class LifecycleChecker implements Checker {
  readonly #knowledge: Knowledge;
  readonly #violate: Violate;
  readonly #packets = new Map<string, WatchedPacket>();
  /** How many packets there are for each answer. */
  readonly #racing = new Map<string, number>();
  readonly #transitions: Set<string>;
  readonly #waiting = new Set<WatchedPacket>();
  /** Packets that wait for their budget, as far as that shows: not those behind the first of a request. */
  readonly #unfunded = new Set<WatchedPacket>();
  readonly #touched = new Set<WatchedPacket>();
  /** Until when each request would wait for its budget. */
  readonly #patienceUs = new Map<string, Micros>();
  #arriving: string | null = null;
  /** Attempts that were asked to give way. */
  readonly #yielding = new Set<string>();
  #nowUs: Micros = 0;
  /** How much longer than its client would a packet may wait to hear of its budget. */
  readonly #leaseWaitUs: Micros;
  /** How long one that has failed may stay out of the line. */
  #pauseUs: Micros = 0;

  /** Adds every transition that is taken, as `from→to`, to `transitions`. */
  constructor(
    { knowledge, leaseWaitUs }: { knowledge: Knowledge; leaseWaitUs: Micros },
    transitions: Set<string>,
    violate: Violate,
  ) {
    this.#knowledge = knowledge;
    this.#leaseWaitUs = leaseWaitUs;
    this.#pauseUs = knowledge.scheduling.tail.backoff.maxUs;
    this.#transitions = transitions;
    this.#violate = violate;
  }

  /** Packets in the queue, in the order in which they came there. */
  get waiting(): ReadonlySet<WatchedPacket> {
    return this.#waiting;
  }

  /** Packets that wait for their budget. */
  get unfunded(): ReadonlySet<WatchedPacket> {
    return this.#unfunded;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "policy_set") {
      this.#pauseUs = Math.max(this.#pauseUs, event.scheduling.tail?.backoff.maxUs ?? 0);
    }
    this.#arriving = event.kind === "request_arrived" ? event.request : null;
    switch (event.kind) {
      case "request_arrived":
        this.#patienceUs.set(event.request, nowUs + event.budgetWaitUs);
        return;
      case "ledger_durable":
        for (const packet of this.#held(event.through)) this.#move(packet, "queue");
        return;
      case "attempt_output":
      case "attempt_finished":
      case "attempt_parked":
      case "attempt_failed": {
        const packet = this.#packets.get(packetOf(event.attempt));
        if (packet?.attempt !== event.attempt) return;
        this.#touched.add(packet);
        if (isEnd(event)) packet.attempt = null;
        if (event.kind === "attempt_parked" || packet.stage === "stream") packet.isBegun = true;
        const wasYielding = isEnd(event) && this.#yielding.delete(event.attempt);
        packet.hasGivenWay = wasYielding && event.kind === "attempt_parked";
        // Only what can be moved can be parked.
        packet.hasFailed = event.kind === "attempt_failed" || event.kind === "attempt_parked";
        if (!packet.hasFailed && packet.stage === "dispatch") this.#move(packet, "stream");
        return;
      }
      default:
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) this.#effect(effect);
    for (const packet of this.#touched) this.#conclude(packet);
    this.#touched.clear();
    this.#awaitBudget();
  }

  #effect(effect: Effect): void {
    switch (effect.kind) {
      case "append_ledger":
        return this.#entry(effect.entry);
      case "dispatch": {
        const packet = this.#packet(packetOf(effect.attempt));
        if (packet.stage !== "queue") this.#move(packet, "queue");
        this.#move(packet, "place");
        this.#move(packet, "dispatch");
        packet.attempt = effect.attempt;
        packet.hasGivenWay = false;
        packet.attempts++;
        return;
      }
      case "park_attempt":
        if (effect.reason === "preempted") this.#yielding.add(effect.attempt);
        return;
      case "cancel_attempt": {
        const packet = this.#packet(packetOf(effect.attempt));
        if (packet.attempt !== effect.attempt) {
          return this.#violate(requestOf(effect.attempt), `${effect.attempt} is cancelled, but was over`);
        }
        packet.attempt = null;
        packet.hasFailed = FAILURES.has(effect.reason);
        if (packet.stage === "stream") packet.isBegun = true;
        this.#touched.add(packet);
        return;
      }
      case "finish_answer":
        return this.#answered(effect);
      case "fail_request":
        return this.#refused(effect);
      case "request_settled":
        return this.#settled(effect.record.request);
      default:
    }
  }

  /** Packets whose hold is durable up to that position, in the order of their holds. */
  #held(through: number): WatchedPacket[] {
    const isHeld = ({ stage, hold }: WatchedPacket): boolean => {
      return stage === "reserve" && hold !== null && hold <= through;
    };
    return [...this.#packets.values()].filter(isHeld).sort((a, b) => a.hold! - b.hold!);
  }

  #entry({ operation, hold, charge, sequence }: LedgerEntry): void {
    switch (operation) {
      case "reserve": {
        const packet = this.#packet(packetOf(hold));
        if (packet.stage !== "reserve") this.#move(packet, "reserve");
        this.#checkPatience(packet);
        this.#unfunded.delete(packet);
        this.#touched.add(packet);
        packet.isClosing = false;
        packet.hold = sequence;
        return;
      }
      case "post":
      case "void": {
        // Those of earlier lives are nobody's.
        const packet = this.#packets.get(packetOf(hold));
        if (packet === undefined) return;
        packet.isClosing = true;
        this.#touched.add(packet);
        return;
      }
      case "extend": {
        const packet = this.#packets.get(packetOf(hold));
        if (packet?.attempt === null && charge.gpuUs > 0) this.#lengthen(packet, sequence);
        return;
      }
      case "adjust":
    }
  }

  /** It has found a place on GPUs that its hold had no time for, and waits until it has. */
  #lengthen(packet: WatchedPacket, sequence: number): void {
    const wasUnfunded = this.#unfunded.delete(packet);
    if (packet.stage === "dispatch" || packet.stage === "stream") this.#move(packet, "queue");
    if (!wasUnfunded) {
      this.#move(packet, "place");
      this.#move(packet, "reserve");
    }
    packet.hold = sequence;
  }

  /** What a packet's step came to, once all of its effects are known. */
  #conclude(packet: WatchedPacket): void {
    const { isClosing, hasFailed } = packet;
    packet.isClosing = false;
    packet.hasFailed = false;
    const isOver = !this.#patienceUs.has(requestOf(packet.id)) || packet.isAnswered;
    // Of two that race the one that fails is out of it.
    const hasRival = (this.#racing.get(answerOf(packet.id)) ?? 0) > 1;
    if (isClosing && (isOver || !hasFailed || hasRival)) return this.#leave(packet);
    if (isClosing) return this.#wait(packet);
    const isRunning = packet.stage === "dispatch" || packet.stage === "stream";
    if (isRunning && packet.attempt === null) this.#move(packet, "queue");
  }

  /** An answer that was to go on elsewhere ends where it is, as nothing is left to pay for more. */
  #answered({ attempt }: FinishAnswer): void {
    const packet = this.#packets.get(packetOf(attempt));
    if (packet !== undefined) packet.isAnswered = true;
  }

  #leave(packet: WatchedPacket): void {
    this.#move(packet, "settle");
    this.#packets.delete(packet.id);
    const answer = answerOf(packet.id);
    const racing = this.#racing.get(answer)! - 1;
    if (racing === 0) this.#racing.delete(answer);
    else this.#racing.set(answer, racing);
  }

  #wait(packet: WatchedPacket): void {
    if (packet.stage !== "reserve") this.#move(packet, "reserve");
    packet.hold = null;
    this.#unfunded.add(packet);
  }

  /** A request that has arrived and holds nothing has no choice but to wait. */
  #awaitBudget(): void {
    const request = this.#arriving;
    if (request === null || !this.#patienceUs.has(request)) return;
    const id = `${request}/0`;
    if (!this.#packets.has(id)) this.#wait(this.#packet(id));
  }

  #settled(request: string): void {
    for (const packet of this.#unfunded) {
      if (requestOf(packet.id) !== request) continue;
      this.#checkPatience(packet);
      this.#unfunded.delete(packet);
      this.#leave(packet);
    }
    this.#patienceUs.delete(request);
  }

  #checkPatience(packet: WatchedPacket): void {
    if (!this.#unfunded.has(packet)) return;
    const patienceUs = this.#patienceUs.get(requestOf(packet.id)) ?? Infinity;
    // One that goes on later may have to ask again.
    const untilUs =
      this.#leaseWaitUs + (this.#leaseWaitUs > 0 ? Math.max(patienceUs, packet.sinceUs) : patienceUs);
    if (this.#nowUs <= untilUs) return;
    const overUs = this.#nowUs - untilUs;
    this.#violate(requestOf(packet.id), `${packet.id} waited for its budget ${overUs / 1e6} s too long`);
  }

  /** A request that is turned away owns no packets; only its error tells where it was. */
  #refused({ request, error }: FailRequest): void {
    if (error.reason === "queue_timeout") this.#checkTimeout(request);
    if (request !== this.#arriving) return;
    if (error.code.startsWith("budget_") || error.code === "account_closed") {
      this.#took("admit", "plan");
      this.#took("plan", "reserve");
      return this.#took("reserve", "settle");
    }
    const isPlanned = error.code === "invalid_request" || error.code === "context_length_exceeded";
    if (isPlanned) this.#took("admit", "plan");
    this.#took(isPlanned ? "plan" : "admit", "settle");
  }

  /** Somebody of the request has waited as long as it might. */
  #checkTimeout(request: string): void {
    let longestUs = 0;
    for (const packet of this.#waiting) {
      if (requestOf(packet.id) !== request) continue;
      longestUs = Math.max(longestUs, packet.queuedUs + this.#nowUs - packet.sinceUs);
    }
    const { leastUs } = this.#ttlOf(request);
    if (longestUs < leastUs) this.#violate(request, `is refused after ${longestUs / 1e6} s in line already`);
  }

  #packet(id: string): WatchedPacket {
    let packet = this.#packets.get(id);
    if (packet === undefined) {
      this.#took("admit", "plan");
      const fresh = {
        hold: null,
        isClosing: false,
        hasFailed: false,
        isAnswered: false,
        isBegun: false,
        hasGivenWay: false,
        queuedUs: 0,
        attempt: null,
        attempts: 0,
      };
      packet = { id, stage: "plan", sinceUs: this.#nowUs, ...fresh };
      this.#packets.set(id, packet);
      this.#racing.set(answerOf(id), (this.#racing.get(answerOf(id)) ?? 0) + 1);
    }
    return packet;
  }

  #move(packet: WatchedPacket, to: Stage): void {
    const { id, stage, sinceUs } = packet;
    if (!mayFollow(stage, to)) this.#violate(requestOf(id), `${id} goes from ${stage} to ${to}`);
    if (stage === "queue") {
      packet.queuedUs += this.#nowUs - sinceUs;
      this.#checkWait(packet, this.#nowUs - sinceUs);
    }
    this.#took(stage, to);
    if (stage === "queue") this.#waiting.delete(packet);
    if (to === "queue") this.#waiting.add(packet);
    packet.stage = to;
    packet.sinceUs = this.#nowUs;
  }

  /** Time in line counts over all attempts, unless an answer has begun, which waits anew. One that has failed waits for a while before it stands in line again. */
  #checkWait(packet: WatchedPacket, latestUs: Micros): void {
    if (this.#knowledge.hasAskedForTime) return;
    const { id, attempts, queuedUs, isBegun, hasGivenWay } = packet;
    if (hasGivenWay) return;
    const { mostUs } = this.#ttlOf(id);
    const waitedUs = isBegun ? latestUs : queuedUs;
    if (waitedUs <= mostUs + attempts * this.#pauseUs) return;
    this.#violate(requestOf(id), `${id} waited ${waitedUs / 1e6} s, more than ${mostUs / 1e6} s`);
  }

  /** How long packets of its band may wait, by all the policies that there have been. */
  #ttlOf(id: string): { leastUs: Micros; mostUs: Micros } {
    const { queueings, config } = this.#knowledge;
    const priority = this.#knowledge.requestOf(id)?.arrival.hints.priority ?? null;
    const ttlsUs = queueings.map((queueing) => bandFor(priority, queueing).ttlUs ?? config.timeouts.queueUs);
    return { leastUs: Math.min(...ttlsUs), mostUs: Math.max(...ttlsUs) };
  }

  #took(from: Stage, to: Stage): void {
    this.#transitions.add(`${from}→${to}`);
  }
}
