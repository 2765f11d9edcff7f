import { admit, noCapacity } from "./admission/admission.ts";
import { assert } from "./assert.ts";
import { Reservations } from "./budget/reservations.ts";
import type { CoreConfig } from "./config.ts";
import type { Deadline } from "./deadlines.ts";
import { Attempts } from "./dispatching/attempts.ts";
import { type Failure, failureError, mayRetry } from "./dispatching/retry.ts";
import type { Effect } from "./effects.ts";
import type { HeadgateError } from "./errors.ts";
import type {
  AttemptFailed,
  AttemptFinished,
  AttemptOutput,
  AttemptStarted,
  HeartbeatReceived,
  RequestArrived,
  SupervisorEvent,
  WorkerLeft,
} from "./events.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import { Fleet } from "./fleet/fleet.ts";
import { Health, NO_HEARTBEAT } from "./fleet/health.ts";
import { sessionKvBytes } from "./fleet/kv.ts";
import { isRemote, type Worker } from "./fleet/worker.ts";
import { type Inspection, inspect } from "./inspection.ts";
import { isWorthTrying, kvBytesNeeded, place, type PlacementProfile } from "./placement/placement.ts";
import { placementPolicy } from "./placement/registry.ts";
import { plan, resolveModel } from "./planning/plan.ts";
import { Queue } from "./queueing/queue.ts";
import {
  type Attempt,
  enter,
  newPacket,
  newRequest,
  type Packet,
  type Request,
  usageSoFar,
} from "./request.ts";
import type { Outcome } from "./settling/record.ts";
import { chargeFor, hasUse, recordOf, totalUsage, worstCaseOf } from "./settling/settle.ts";
import { coveredTokens } from "./streaming/meter.ts";
import { Turn } from "./turn.ts";
import type { Micros } from "./units.ts";
import type { TokenUsage } from "./vocabulary.ts";

/**
 * Composes the stages. Follow a request by reading downwards: admit, plan, reserve, queue,
 * place, dispatch, stream, settle; then what can interrupt it: clients, workers, time, a stop.
 * `handle` is the only way in and its effects are the only way out. The same events at the
 * same times give the same effects, whoever plays the world.
 */
export class Supervisor {
  readonly #config: CoreConfig;
  readonly #turn = new Turn();
  readonly #profile: PlacementProfile;
  readonly #fleet: Fleet;
  readonly #health: Health;
  readonly #queue: Queue;
  readonly #reservations: Reservations;
  readonly #attempts: Attempts;
  readonly #requests = new Map<string, Request>();
  #openPackets = 0;
  /** A limit of the whole system kept a packet waiting: capacity freed anywhere may serve it. */
  #isHeldBack = false;
  #draining = false;

  constructor(config: CoreConfig) {
    this.#config = config;
    this.#profile = placementPolicy(config.placement.policy);
    this.#fleet = new Fleet(config);
    this.#health = new Health(this.#turn, this.#fleet, config.heartbeats);
    this.#queue = new Queue(config.limits);
    this.#reservations = new Reservations(this.#turn);
    this.#attempts = new Attempts(this.#turn, this.#fleet, config.timeouts);
  }

  /** Takes in what happened and says what to do about it, in that order. */
  handle(nowUs: Micros, event: SupervisorEvent): Effect[] {
    this.#turn.begin(nowUs);
    this.#react(event);
    return this.#turn.end();
  }

  inspect(): Inspection {
    return inspect({
      draining: this.#draining,
      requests: this.#requests.size,
      openHolds: this.#reservations.openHolds,
      queue: this.#queue,
      fleet: this.#fleet,
    });
  }

  #react(event: SupervisorEvent): void {
    switch (event.kind) {
      case "request_arrived":
        return this.#admit(event);
      case "ledger_durable":
        for (const packet of this.#reservations.durable(event.through)) this.#enqueue(packet);
        return;
      case "attempt_started":
        return this.#withAttempt(event.attempt, (attempt) => this.#started(attempt, event));
      case "attempt_output":
        return this.#withAttempt(event.attempt, (attempt) => this.#output(attempt, event));
      case "attempt_finished":
        return this.#withAttempt(event.attempt, (attempt) => this.#finished(attempt, event));
      case "attempt_failed":
        return this.#withAttempt(event.attempt, (attempt) => this.#failed(attempt, event));
      case "client_gone":
        return this.#withRequest(event.request, (request) => this.#settle(request, "abandoned"));
      case "client_blocked":
        return this.#withRequest(event.request, (request) => this.#clientBlocked(request));
      case "client_drained":
        return this.#withRequest(event.request, (request) => this.#clientDrained(request));
      case "heartbeat_received":
        return this.#heartbeat(event);
      case "worker_left":
        return this.#workerLeft(event);
      case "timer_fired":
        for (const deadline of this.#turn.due()) this.#deadlineReached(deadline);
        return;
      case "drain_asked":
        return this.#drain();
    }
  }

  // ── admit ──────────────────────────────────────────────────────────────────────────────

  #admit(arrival: RequestArrived): void {
    assert(!this.#requests.has(arrival.request), `${arrival.request} arrives once`);
    const model = resolveModel(arrival.model, this.#config.aliases);
    const refusal = admit(
      { arrival, model },
      {
        config: this.#config,
        fleet: this.#fleet,
        queue: this.#queue,
        openPackets: this.#openPackets,
        draining: this.#draining,
      },
    );
    if (refusal === null) this.#plan(arrival, model);
    else this.#refuse(arrival, model, refusal);
  }

  /** Turns a request away before it owns anything. */
  #refuse(arrival: RequestArrived, model: string, error: HeadgateError): void {
    const request = newRequest({ arrival, model, maxTokens: 0, nowUs: this.#turn.nowUs });
    this.#turn.emit({ kind: "fail_request", request: request.id, error });
    this.#recordSettled(request, "failed", error);
  }

  // ── plan ───────────────────────────────────────────────────────────────────────────────

  /** Cuts the request into packets, which go their own ways from here. */
  #plan(arrival: RequestArrived, model: string): void {
    const planned = plan(arrival, model, {
      config: this.#config,
      endpoints: this.#fleet.available(model),
    });
    if ("code" in planned) return this.#refuse(arrival, model, planned);
    const { maxTokens, packets } = planned;
    const request = newRequest({ arrival, model, maxTokens, nowUs: this.#turn.nowUs });
    for (const piece of packets) request.packets.push(newPacket(request, piece));
    this.#requests.set(request.id, request);
    this.#openPackets += packets.length;
    request.deadline = this.#turn.after(this.#config.timeouts.totalUs, { kind: "request_total", request });
    for (const packet of request.packets) this.#reserve(packet);
  }

  // ── reserve ────────────────────────────────────────────────────────────────────────────

  /** Holds the packet's worst case; it goes no further until the hold would survive a crash. */
  #reserve(packet: Packet): void {
    enter(packet, "reserve", this.#turn.nowUs);
    this.#reservations.reserve(packet, worstCaseOf(packet));
  }

  // ── queue ──────────────────────────────────────────────────────────────────────────────

  /** Packets wait here, not at workers; one that needs not wait passes straight through. */
  #enqueue(packet: Packet): void {
    enter(packet, "queue", this.#turn.nowUs);
    const { model, arrival } = packet.request;
    const isFirst = packet.attempts > 0 || !this.#queue.isWaiting(model);
    if (isFirst && this.#place(packet)) return;
    if (!this.#queue.hasRoom(arrival.bodyBytes)) {
      const hasQueue = this.#config.limits.queuePacketsMax > 0;
      return this.#fail(packet.request, noCapacity(hasQueue ? "queue_full" : "all_workers_at_capacity"));
    }
    this.#queue.add(packet);
    const leftUs = this.#config.timeouts.queueUs - (packet.stagesUs.queue ?? 0);
    packet.queueTimer = this.#turn.after(leftUs, { kind: "packet_queued", packet });
  }

  #leaveQueue(packet: Packet): void {
    if (!this.#queue.remove(packet)) return;
    this.#turn.cancel(packet.queueTimer);
    packet.queueTimer = null;
  }

  // ── place ──────────────────────────────────────────────────────────────────────────────

  #place(packet: Packet): boolean {
    const endpoint = place(packet, this.#fleet.available(packet.request.model), this.#profile);
    if (endpoint === null) return false;
    if (!this.#fleet.hasRoom(kvBytesNeeded(packet, endpoint))) {
      this.#isHeldBack = true;
      return false;
    }
    this.#leaveQueue(packet);
    enter(packet, "place", this.#turn.nowUs);
    this.#dispatch(packet, endpoint);
    return true;
  }

  /** Gives capacity that has come free on the worker to whoever has waited longest for it. */
  #placeWaitingOn(worker: Worker): void {
    for (const { model } of worker.endpoints) this.#placeWaiting(model);
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    for (const model of this.#queue.models) this.#placeWaiting(model);
  }

  #placeWaiting(model: string): void {
    for (const packet of this.#queue.inOrder(model)) {
      if (this.#place(packet)) continue;
      // A packet that has been somewhere may not go everywhere: it must not keep the others from it.
      if (packet.attempts === 0) return;
    }
  }

  // ── dispatch ───────────────────────────────────────────────────────────────────────────

  #dispatch(packet: Packet, endpoint: Endpoint): void {
    enter(packet, "dispatch", this.#turn.nowUs);
    this.#attempts.begin(packet, endpoint);
  }

  #failed(attempt: Attempt, { reason, message }: AttemptFailed): void {
    if (reason !== "at_capacity") this.#attemptFailed(attempt, { reason, message });
    else if (!hasUse(attempt)) this.#turnedAway(attempt);
    // Whoever says so after it has begun does not keep to the protocol.
    else this.#attemptFailed(attempt, { reason: "endpoint_error", message });
  }

  /** Back in line, before those that have not been sent anywhere yet. */
  #turnedAway(attempt: Attempt): void {
    this.#attempts.turnedAway(attempt);
    this.#enqueue(attempt.packet);
    this.#placeWaitingOn(attempt.endpoint.worker);
  }

  /** Tries elsewhere while that is allowed and there is an endpoint left to try. */
  #attemptFailed(attempt: Attempt, failure: Failure): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    packet.tried.add(endpoint.id);
    if (failure.reason === "context_length_exceeded") packet.contextTokensMin = endpoint.contextTokens + 1;
    this.#attempts.end(attempt);
    const retry =
      mayRetry(attempt, failure, this.#config.retriesMax) &&
      this.#fleet.available(request.model).some((other) => isWorthTrying(other, packet));
    if (!retry) {
      packet.usage = usageSoFar(attempt);
      this.#fail(request, failureError(packet, failure));
    } else if (hasUse(attempt)) {
      // What it used is charged by itself; the request is counted with the attempt that ends it.
      this.#reservations.close(packet, { ...chargeFor(packet, usageSoFar(attempt)), requests: 0 });
      this.#reserve(packet);
    } else {
      this.#enqueue(packet);
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── stream ─────────────────────────────────────────────────────────────────────────────

  /** The prompt's true length is known: what its bound set aside too much goes to others. */
  #started(attempt: Attempt, event: AttemptStarted): void {
    const { packet, endpoint } = attempt;
    attempt.prompt = { tokens: event.promptTokens, cached: event.cachedTokens };
    this.#attempts.progressed(attempt);
    const kvBytes = sessionKvBytes({
      promptTokens: event.promptTokens,
      maxTokens: packet.request.maxTokens,
      contextTokens: endpoint.contextTokens,
      bytesPerToken: endpoint.kvBytesPerToken,
    });
    if (kvBytes >= attempt.kvBytes) return;
    this.#fleet.resize(attempt, kvBytes);
    this.#placeWaitingOn(endpoint.worker);
  }

  /** Relays what the hold covers; a stream that runs past its credit ends at that token. */
  #output(attempt: Attempt, event: AttemptOutput): void {
    // A sign of life without a token is no progress, or it could put off a timeout for ever.
    if (event.tokens === 0) return;
    const { packet } = attempt;
    const { request } = packet;
    const tokens = coveredTokens(attempt, event.tokens);
    if (packet.stage === "dispatch") enter(packet, "stream", this.#turn.nowUs);
    request.firstTokenUs ??= this.#turn.nowUs;
    attempt.generatedTokens += tokens;
    this.#attempts.progressed(attempt);
    if (tokens > 0) {
      const answer = { request: request.id, choice: packet.choice, attempt: attempt.id };
      this.#turn.emit({ kind: "relay", ...answer, tokens });
    }
    if (tokens === event.tokens) return;
    this.#attempts.cancel(attempt, "credit_exhausted");
    this.#answered(attempt, { finishReason: "length", usage: usageSoFar(attempt) });
  }

  #finished(attempt: Attempt, event: AttemptFinished): void {
    this.#attempts.end(attempt);
    this.#answered(attempt, event);
  }

  /** One packet has its answer; the request has its own when all have. */
  #answered(attempt: Attempt, end: { finishReason: string; usage: TokenUsage }): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    if (packet.stage === "dispatch") enter(packet, "stream", this.#turn.nowUs);
    packet.usage = end.usage;
    const answer = { request: request.id, choice: packet.choice, attempt: attempt.id };
    this.#turn.emit({ kind: "finish_answer", ...answer, finishReason: end.finishReason });
    this.#settlePacket(packet);
    if (request.packets.every(({ stage }) => stage === "settle")) {
      this.#turn.emit({ kind: "finish_request", request: request.id, usage: totalUsage(request.packets) });
      this.#settle(request, "completed");
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── settle ─────────────────────────────────────────────────────────────────────────────

  /** Posts what the packet used and gives back the rest. */
  #settlePacket(packet: Packet): void {
    if (packet.stage === "settle") return;
    this.#leaveQueue(packet);
    this.#reservations.close(packet, chargeFor(packet, packet.usage));
    enter(packet, "settle", this.#turn.nowUs);
    this.#openPackets--;
  }

  #fail(request: Request, error: HeadgateError): void {
    this.#turn.emit({ kind: "fail_request", request: request.id, error });
    this.#settle(request, "failed", error);
  }

  /** Ends the request, and whatever of it still runs: each packet pays for what it used until now. */
  #settle(request: Request, outcome: Outcome, error: HeadgateError | null = null): void {
    assert(this.#requests.delete(request.id), `${request.id} is settled once`);
    this.#turn.cancel(request.deadline);
    this.#turn.cancel(request.slowClient);
    const running = request.packets.flatMap(({ attempt }) => (attempt === null ? [] : [attempt]));
    for (const attempt of running) {
      this.#attempts.cancel(attempt, error?.code ?? outcome);
      attempt.packet.usage = usageSoFar(attempt);
    }
    const stoodInLine = request.packets.some((packet) => this.#queue.has(packet));
    for (const packet of request.packets) this.#settlePacket(packet);
    this.#recordSettled(request, outcome, error);
    for (const { endpoint } of running) this.#placeWaitingOn(endpoint.worker);
    // There may have been room for those behind it all the time.
    if (stoodInLine) this.#placeWaiting(request.model);
    if (this.#draining && this.#requests.size === 0) this.#turn.emit({ kind: "drained" });
  }

  #recordSettled(request: Request, outcome: Outcome, error: HeadgateError | null): void {
    const record = recordOf(request, { nowUs: this.#turn.nowUs, outcome, error });
    this.#turn.emit({ kind: "request_settled", record });
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────

  #clientBlocked(request: Request): void {
    request.slowClient ??= this.#turn.after(this.#config.timeouts.slowClientUs, {
      kind: "client_slow",
      request,
    });
  }

  #clientDrained(request: Request): void {
    if (request.slowClient === null) return;
    this.#turn.cancel(request.slowClient);
    request.slowClient = null;
    for (const { attempt } of request.packets) if (attempt !== null) attempt.progressUs = this.#turn.nowUs;
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────

  #heartbeat(report: HeartbeatReceived): void {
    const heard = this.#health.heard(report);
    if (heard === null) return;
    this.#loseAttempts(heard.lost, "The worker restarted.");
    for (const endpoint of heard.worker.endpoints) this.#attempts.forgive(endpoint);
    this.#placeWaitingOn(heard.worker);
  }

  /** A good-bye may be overtaken by the report of the worker's next life, which it does not concern. */
  #workerLeft({ worker: id, epoch, reason }: WorkerLeft): void {
    const worker = this.#fleet.worker(id);
    if (worker === undefined || isRemote(worker)) return;
    if (epoch === null || epoch === worker.epoch) this.#evict(worker, reason);
  }

  #evict(worker: Worker, reason: string): void {
    this.#loseAttempts(this.#health.evict(worker, reason), `The worker is gone: ${reason}.`);
  }

  #loseAttempts(attempts: readonly Attempt[], message: string): void {
    for (const attempt of attempts) {
      // Failing one attempt may have ended its request, and with it others of this list.
      if (this.#attempts.get(attempt.id) === undefined) continue;
      this.#turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: "worker_lost" });
      this.#attemptFailed(attempt, { reason: "worker_lost", message });
    }
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────

  #deadlineReached(deadline: Deadline): void {
    switch (deadline.kind) {
      case "request_total":
        return this.#totalTimeout(deadline.request);
      case "client_slow":
        this.#turn.emit({ kind: "drop_client", request: deadline.request.id });
        return this.#settle(deadline.request, "dropped");
      case "packet_queued":
        return this.#fail(deadline.packet.request, noCapacity("queue_timeout"));
      case "attempt_silent":
        if (this.#attempts.isSilent(deadline.attempt)) this.#giveUp(deadline.attempt);
        return;
      case "endpoint_refused":
        this.#attempts.forgive(deadline.endpoint);
        return this.#placeWaiting(deadline.endpoint.model);
      case "worker_silent":
        if (this.#health.isDead(deadline.worker)) this.#evict(deadline.worker, NO_HEARTBEAT);
        return;
      case "drain":
        return this.#cutOff();
    }
  }

  #totalTimeout(request: Request): void {
    const unfinished = request.packets.find(({ stage }) => stage !== "settle");
    assert(unfinished !== undefined, `${request.id} has packets left`);
    const { stage } = unfinished;
    const message = `The request was still in stage ${stage} when timeouts.total ran out.`;
    this.#fail(request, { code: "deadline_exceeded", stage, message });
  }

  #giveUp(attempt: Attempt): void {
    this.#turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: "silent" });
    const failure = hasUse(attempt)
      ? { reason: "stalled" as const, message: "The worker stopped sending tokens." }
      : { reason: "prefill_timeout" as const, message: "The worker sent no first token in time." };
    this.#attemptFailed(attempt, failure);
  }

  // ── stop ───────────────────────────────────────────────────────────────────────────────

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#turn.after(this.#config.timeouts.drainUs, { kind: "drain" });
    if (this.#requests.size === 0) this.#turn.emit({ kind: "drained" });
  }

  /** Ends all that is left. The queue goes first: what comes free now is not given out again. */
  #cutOff(): void {
    for (const model of this.#queue.models) {
      for (const packet of this.#queue.inOrder(model)) this.#leaveQueue(packet);
    }
    for (const request of this.#requests.values()) this.#fail(request, noCapacity("draining"));
  }

  // ── events may cross with our own decisions: one about something that is over is ignored ─

  #withRequest(id: string, act: (request: Request) => void): void {
    const request = this.#requests.get(id);
    if (request !== undefined) act(request);
  }

  #withAttempt(id: string, act: (attempt: Attempt) => void): void {
    const attempt = this.#attempts.get(id);
    if (attempt !== undefined) act(attempt);
  }
}
