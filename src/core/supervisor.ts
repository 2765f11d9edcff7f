import { admit, noCapacity } from "./admission/admission.ts";
import { assert } from "./assert.ts";
import type { Shortage } from "./budget/budget.ts";
import { chargeFor } from "./budget/coverage.ts";
import { dayEnd } from "./budget/limits.ts";
import type { Price } from "./budget/money.ts";
import { budgetError, viewOf } from "./budget/refusal.ts";
import { Reservations } from "./budget/reservations.ts";
import type { Use } from "./budget/use.ts";
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
  ChoiceFinished,
  HeartbeatReceived,
  ReceiptsRead,
  RequestArrived,
  SupervisorEvent,
  WorkerLeft,
} from "./events.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import { Fleet } from "./fleet/fleet.ts";
import { Health, NO_HEARTBEAT } from "./fleet/health.ts";
import { sessionKvBytes } from "./fleet/kv.ts";
import { isRemote, takesCredit, type Worker } from "./fleet/worker.ts";
import { type Inspection, inspect } from "./inspection.ts";
import { footprint, isWorthTrying, place, type PlacementProfile } from "./placement/placement.ts";
import { placementPolicy } from "./placement/registry.ts";
import { plan, priceOf, resolveModel, servedModel } from "./planning/plan.ts";
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
import { credibleUsage, hasUse, recordOf, totalUsage, useOf } from "./settling/settle.ts";
import { Streams } from "./streaming/streams.ts";
import { Turn } from "./turn.ts";
import type { Micros } from "./units.ts";
import type { TokenUsage } from "./vocabulary.ts";

/** A worker is asked for this many receipts at a time. */
const RECEIPTS_ASKED_MAX = 1_000;

/** What a request that is refused for want of a price is reckoned at: it will not cost anything. */
const FREE: Price = { input: 0, cachedInput: 0, output: 0, request: 0 };

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
  readonly #streams: Streams;
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
    this.#reservations = new Reservations(this.#turn, config);
    this.#attempts = new Attempts(this.#turn, this.#fleet, config.timeouts);
    this.#streams = new Streams(this.#turn, this.#reservations, config);
  }

  /** Takes in what happened and says what to do about it, in that order. */
  handle(nowUs: Micros, event: SupervisorEvent): Effect[] {
    this.#turn.begin(nowUs);
    this.#react(event);
    this.#fund();
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
      case "ledger_restored":
        return this.#reservations.restore(event.state, event.limits);
      case "limits_changed":
        return this.#reservations.setLimits(event.limits);
      case "ledger_durable":
        for (const packet of this.#reservations.durable(event.through)) this.#covered(packet);
        return;
      case "attempt_started":
        return this.#withAttempt(event.attempt, (attempt) => this.#started(attempt, event));
      case "attempt_output":
        return this.#withAttempt(event.attempt, (attempt) => this.#output(attempt, event));
      case "choice_finished":
        return this.#withAttempt(event.attempt, (attempt) => this.#choiceFinished(attempt, event));
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
      case "receipts_read":
        return this.#receipts(event);
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
    const name = resolveModel(arrival.model, this.#config.aliases);
    const model = servedModel(name, { config: this.#config, fleet: this.#fleet });
    const price = priceOf(name, this.#config);
    const request = newRequest({
      arrival,
      model,
      price: "code" in price ? FREE : price,
      nowUs: this.#turn.nowUs,
    });
    const refusal = admit(
      { arrival, model },
      {
        config: this.#config,
        fleet: this.#fleet,
        queue: this.#queue,
        openPackets: this.#openPackets - this.#reservations.waiting,
        draining: this.#draining,
      },
    );
    if (refusal !== null) this.#refuse(request, refusal);
    else if ("code" in price) this.#refuse(request, price);
    else this.#plan(request);
  }

  /** Turns a request away before it owns anything. */
  #refuse(request: Request, error: HeadgateError): void {
    this.#turn.emit({ kind: "fail_request", request: request.id, error });
    this.#recordSettled(request, "failed", error);
  }

  // ── plan ───────────────────────────────────────────────────────────────────────────────

  /** Cuts the request into packets, which go their own ways from here. */
  #plan(request: Request): void {
    const { arrival, model } = request;
    const planned = plan(arrival, model, {
      config: this.#config,
      endpoints: this.#fleet.available(model),
    });
    if ("code" in planned) return this.#refuse(request, planned);
    for (const piece of planned) request.packets.push(newPacket(request, piece));
    this.#requests.set(request.id, request);
    this.#openPackets += planned.length;
    request.deadline = this.#turn.after(this.#config.timeouts.totalUs, { kind: "request_total", request });
    for (const packet of request.packets) {
      // One that is refused ends the request, and the others with it.
      if (packet.stage === "plan") this.#reserve(packet);
    }
  }

  // ── reserve ────────────────────────────────────────────────────────────────────────────

  /** Holds what the packet may cost; it goes no further until the hold would survive a crash. */
  #reserve(packet: Packet): void {
    enter(packet, "reserve", this.#turn.nowUs);
    const shortage = this.#reservations.reserve(packet);
    if (shortage !== null) this.#short(packet, shortage);
  }

  /** Its budget has no room: it waits, if it asked to and that can help, or is refused. */
  #short(packet: Packet, shortage: Shortage): void {
    const { arrival, arrivedUs } = packet.request;
    const patienceUs = arrivedUs + arrival.budgetWaitUs;
    const canHelp = !shortage.isPermanent && patienceUs > this.#turn.nowUs;
    if (!canHelp || !this.#reservations.waitForFunds(packet, shortage.account)) {
      return this.#fail(packet.request, budgetError(shortage, this.#turn.nowUs));
    }
    // A new window helps, even where a hold that is released would do.
    const windowEndUs = shortage.limit.window === "day" ? dayEnd(this.#turn.nowUs) : Infinity;
    const atUs = Math.min(patienceUs, windowEndUs);
    if (packet.fundingTimer?.atUs === atUs) return;
    this.#turn.cancel(packet.fundingTimer);
    packet.fundingTimer = this.#turn.at(atUs, { kind: "packet_unfunded", packet });
  }

  /** Money has come free: to those that wait for it, in the order in which they came. */
  #fund(): void {
    for (const packet of this.#reservations.refundable()) this.#reserveAgain(packet);
  }

  #reserveAgain(packet: Packet): void {
    const shortage = this.#reservations.reserve(packet);
    if (shortage !== null) this.#short(packet, shortage);
  }

  /** A hold is durable: the packet's first, or one that has become longer. */
  #covered(packet: Packet): void {
    const { attempt, request } = packet;
    if (attempt !== null) return this.#attempts.grant(attempt, packet.creditTokens);
    if (packet.choice === 0 && packet.attempts === 0) {
      const budgets = this.#reservations.remainders(request.account).map(viewOf);
      if (budgets.length > 0) this.#turn.emit({ kind: "budget_told", request: request.id, budgets });
    }
    this.#enqueue(packet);
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
    const { sessions, sessionKvBytes: bytes } = footprint(packet, endpoint);
    if (!this.#fleet.hasRoom({ sessions, kvBytes: bytes * sessions })) {
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
    const use = useOf(attempt, failure.reason);
    const retry =
      mayRetry(attempt, failure, this.#config.retriesMax) &&
      this.#fleet.available(request.model).some((other) => isWorthTrying(other, packet));
    if (!retry) {
      packet.usage = usageSoFar(attempt);
      packet.use = use;
      this.#fail(request, failureError(packet, failure));
    } else if (use === "none") {
      this.#enqueue(packet);
    } else {
      // What it used is charged by itself.
      this.#reservations.close(packet, use);
      this.#reserve(packet);
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── stream ─────────────────────────────────────────────────────────────────────────────

  /** The prompt's true length is known: what its bound set aside too much goes to others. */
  #started(attempt: Attempt, event: AttemptStarted): void {
    const { packet, endpoint } = attempt;
    const usage = { promptTokens: event.promptTokens, cachedTokens: event.cachedTokens, completionTokens: 0 };
    const { promptTokens: tokens, cachedTokens: cached } = credibleUsage(attempt, usage);
    attempt.prompt = { tokens, cached };
    this.#attempts.progressed(attempt);
    const kvBytes =
      attempt.slots *
      sessionKvBytes({
        promptTokens: event.promptTokens,
        maxTokens: packet.maxTokens,
        contextTokens: endpoint.contextTokens,
        bytesPerToken: endpoint.kvBytesPerToken,
      });
    if (kvBytes >= attempt.kvBytes) return;
    this.#fleet.resize(attempt, kvBytes);
    this.#placeWaitingOn(endpoint.worker);
  }

  /** Relays what holds cover; an answer that has run out of credit for good ends there. */
  #output(attempt: Attempt, event: AttemptOutput): void {
    // A sign of life without a token is no progress, or it could put off a timeout for ever.
    if (event.tokens === 0) return;
    const isCut = this.#streams.output(attempt, event);
    this.#attempts.progressed(attempt);
    if (isCut) this.#cutOff(attempt);
  }

  #choiceFinished(attempt: Attempt, event: ChoiceFinished): void {
    if (this.#streams.choiceFinished(attempt, event)) this.#cutOff(attempt);
  }

  #cutOff(attempt: Attempt): void {
    this.#attempts.cancel(attempt, "credit_exhausted");
    this.#answered(attempt, usageSoFar(attempt));
  }

  #finished(attempt: Attempt, { finishReason, usage }: AttemptFinished): void {
    this.#attempts.end(attempt);
    this.#streams.finished(attempt, finishReason);
    this.#answered(attempt, credibleUsage(attempt, usage));
  }

  /** One packet has its answer; the request has its own when all have. */
  #answered(attempt: Attempt, usage: TokenUsage): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    if (packet.stage === "dispatch") enter(packet, "stream", this.#turn.nowUs);
    packet.usage = usage;
    this.#streams.answered(attempt);
    this.#settlePacket(packet, chargeFor(packet, usage));
    if (request.packets.every(({ stage }) => stage === "settle")) {
      this.#turn.emit({
        kind: "finish_request",
        request: request.id,
        usage: totalUsage(request.packets),
        cost: request.charged,
        budgets: this.#reservations.remainders(request.account).map(viewOf),
      });
      this.#settle(request, "completed");
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── settle ─────────────────────────────────────────────────────────────────────────────

  /** Posts what the packet used and gives back the rest. */
  #settlePacket(packet: Packet, use: Use): void {
    if (packet.stage === "settle") return;
    this.#leaveQueue(packet);
    this.#reservations.close(packet, use);
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
      attempt.packet.use = useOf(attempt, null);
    }
    const stoodInLine = request.packets.some((packet) => this.#queue.has(packet));
    // The first packet goes last: it counts the request if any of them has used something.
    for (const packet of request.packets.toReversed()) this.#settlePacket(packet, packet.use);
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
    if (heard.isNew && takesCredit(heard.worker)) this.#askReceipts(heard.worker);
  }

  /** It may have outlived the supervisor that had it run what we have posted in doubt. */
  #askReceipts({ id }: Worker): void {
    const attempts = this.#reservations.attemptsInDoubt;
    for (let i = 0; i < attempts.length; i += RECEIPTS_ASKED_MAX) {
      const some = attempts.slice(i, i + RECEIPTS_ASKED_MAX);
      this.#turn.emit({ kind: "ask_receipts", worker: id, attempts: some });
    }
  }

  #receipts({ receipts }: ReceiptsRead): void {
    for (const { attempt, model, usage } of receipts) {
      const price = priceOf(model, this.#config);
      if (!("code" in price)) this.#reservations.adjust(attempt, { usage, price });
    }
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
      case "packet_unfunded":
        return this.#reserveAgain(deadline.packet);
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
        return this.#endAll();
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
    for (const request of this.#requests.values()) {
      const isUnfunded = request.packets.some(({ waitsFor }) => waitsFor !== null);
      if (isUnfunded) this.#fail(request, noCapacity("draining"));
    }
  }

  /** Ends all that is left. The queue goes first: what comes free now is not given out again. */
  #endAll(): void {
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
