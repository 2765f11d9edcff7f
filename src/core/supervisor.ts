import { Admission, noCapacity } from "./admission/admission.ts";
import { type Entrant, Turnstile } from "./admission/turnstile.ts";
import { assert } from "./assert.ts";
import type { LimitReached } from "./budget/shortage.ts";
import { chargeFor } from "./budget/coverage.ts";
import type { Price } from "./budget/money.ts";
import { Funding } from "./budget/funding.ts";
import { places, shareOfPlace } from "./budget/gpu-time.ts";
import { Batches } from "./batching/batches.ts";
import { budgetError, viewOf } from "./budget/refusal.ts";
import { Reservations } from "./budget/reservations.ts";
import { SliceKeeper } from "./budget/slice-keeper.ts";
import type { Use } from "./budget/use.ts";
import { ChurnMap } from "./churn.ts";
import type { CoreConfig, Scheduling } from "./config.ts";
import type { Deadline, TimerHandle } from "./deadlines.ts";
import { Attempts } from "./dispatching/attempts.ts";
import { Breakers } from "./dispatching/breakers.ts";
import { canCarry } from "./dispatching/carrying.ts";
import { GpuBounds } from "./dispatching/gpu-bounds.ts";
import { Moves } from "./dispatching/moves.ts";
import { Preemption } from "./dispatching/preemption.ts";
import { Races } from "./dispatching/races.ts";
import { Recovery } from "./dispatching/recovery.ts";
import type { Effect } from "./effects.ts";
import type { HeadgateError } from "./errors.ts";
import type {
  AttemptFinished,
  AttemptOutput,
  AttemptParked,
  AttemptStarted,
  ChoiceFinished,
  HeartbeatReceived,
  LedgerRestored,
  LedgerTouched,
  RequestArrived,
  SupervisorEvent,
  WorkerLeft,
} from "./events.ts";
import { LEASE_SKEW_US, LEASE_TTL_US } from "./leasing/lease.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import { Fleet } from "./fleet/fleet.ts";
import { Health, NO_HEARTBEAT } from "./fleet/health.ts";
import { sessionKvBytes } from "./fleet/kv.ts";
import { isRemote, type Worker } from "./fleet/worker.ts";
import { type Inspection, inspect } from "./inspection.ts";
import { footprint } from "./placement/placement.ts";
import { Places } from "./placement/places.ts";
import { Placement } from "./placement/placing.ts";
import { plan, priceOf, resolveModel, servedModel } from "./planning/plan.ts";
import { bandOf, rankOfBand } from "./queueing/flow-of.ts";
import { Queue, queueLimits } from "./queueing/queue.ts";
import { Random } from "./random.ts";
import {
  type Attempt,
  type Carried,
  enter,
  newPacket,
  newRequest,
  type Packet,
  isShown,
  type Request,
  usageSoFar,
} from "./request.ts";
import { Doubts } from "./settling/doubts.ts";
import type { Outcome } from "./settling/record.ts";
import { credibleUsage, hasBegun, recordOf, totalUsage, useOf } from "./settling/settle.ts";
import type { Steps } from "./steps.ts";
import { Streams } from "./streaming/streams.ts";
import { Turn } from "./turn.ts";
import type { Micros } from "./units.ts";
import type { TokenUsage } from "./vocabulary.ts";

/** What a request that is refused for want of a price is reckoned at: it will not cost anything. */
const FREE: Price = { input: 0, cachedInput: 0, output: 0, request: 0 };

/**
 * Composes the stages. Follow a request by reading downwards: admit, plan, reserve, dispatch (once
 * `Places` has found a place for it), stream, settle; then what can interrupt it: clients, workers, time, a stop.
 * `handle` is the only way in and its effects are the only way out. The same events at the
 * same times give the same effects, whoever plays the world.
 */
export class Supervisor {
  readonly #config: CoreConfig;
  readonly #turn = new Turn();
  readonly #fleet: Fleet;
  readonly #health: Health;
  readonly #queue: Queue;
  readonly #admission: Admission;
  readonly #turnstile: Turnstile;
  readonly #reservations: Reservations;
  readonly #funding: Funding;
  readonly #doubts: Doubts;
  readonly #slices: SliceKeeper;
  readonly #placement: Placement;
  readonly #places: Places;
  readonly #batches: Batches;
  readonly #attempts: Attempts;
  readonly #gpuBounds: GpuBounds;
  readonly #breakers: Breakers;
  readonly #races: Races;
  readonly #recovery: Recovery;
  readonly #moves: Moves;
  readonly #preemption: Preemption;
  readonly #streams: Streams;
  readonly #requests = new ChurnMap<string, Request>();
  #scheduling: Scheduling;
  /** Packets that there is no time for on the GPUs that they have found. */
  readonly #outOfGpus = new Set<Packet>();
  #openPackets = 0;
  #draining = false;
  #leaseTimer: TimerHandle | null = null;

  constructor(config: CoreConfig) {
    this.#config = config;
    this.#scheduling = config.scheduling;
    const random = new Random(config.seed);
    this.#fleet = new Fleet(config);
    this.#health = new Health(this.#turn, this.#fleet, config);
    this.#queue = new Queue(config.scheduling.queueing, queueLimits(config));
    this.#admission = new Admission(config, {
      fleet: this.#fleet,
      queue: this.#queue,
      random: random.fork(),
    });
    const rankOf = (band: string | null): number | null => rankOfBand(band, this.#scheduling.queueing);
    const placeOf = (model: string) => this.#fleet.largestPlace(model);
    this.#reservations = new Reservations(this.#turn, config, { rankOf, placeOf });
    this.#gpuBounds = new GpuBounds(this.#turn, this.#reservations, config);
    this.#doubts = new Doubts({
      turn: this.#turn,
      config,
      fleet: this.#fleet,
      reservations: this.#reservations,
    });
    this.#funding = new Funding(this.#turn, this.#reservations, () => this.#draining);
    this.#slices = new SliceKeeper(this.#turn, this.#reservations, {
      slices: config.slices,
      bands: () => ({
        bands: this.#scheduling.queueing.bands.map(({ name }) => name),
        usualBand: bandOf({ priority: null }, this.#scheduling.queueing),
      }),
    });
    this.#turnstile = new Turnstile({
      turn: this.#turn,
      admission: this.#admission,
      isShared: () => this.#reservations.isReplica,
      letIn: (request) => this.#plan(request),
      tooLate: (request) => this.#tooLate(request),
      refuse: (request, error) => this.#refuse(request, error),
    });
    this.#placement = new Placement(config, random.fork());
    this.#breakers = new Breakers(this.#turn);
    this.#batches = new Batches(this.#turn, config.scheduling.queueing.batching);
    this.#attempts = new Attempts(this.#turn, this.#fleet, config.timeouts);
    this.#streams = new Streams(this.#turn, this.#reservations, config);
    const parts = { turn: this.#turn, fleet: this.#fleet, attempts: this.#attempts, steps: this.#steps() };
    this.#races = new Races(this.#turn, this.#attempts, parts.steps);
    this.#moves = new Moves(parts);
    const { packetTokens } = config;
    this.#places = new Places({
      turn: this.#turn,
      config,
      scheduling: () => this.#scheduling,
      random,
      fleet: this.#fleet,
      queue: this.#queue,
      batches: this.#batches,
      placement: this.#placement,
      moves: this.#moves,
      races: this.#races,
      fail: (request, error) => this.#fail(request, error),
      late: (request) => this.#withRequest(request.id, () => this.#totalTimeout(request)),
      dispatch: (packet, endpoint) => this.#dispatch(packet, endpoint),
    });
    this.#preemption = new Preemption({ queue: this.#queue, attempts: this.#attempts, packetTokens });
    this.#recovery = new Recovery({
      ...parts,
      config,
      scheduling: () => this.#scheduling,
      breakers: this.#breakers,
      races: this.#races,
      reservations: this.#reservations,
    });
  }

  #steps(): Steps {
    return {
      reserve: (packet) => this.#reserve(packet),
      enqueue: (packet) => this.#places.enter(packet),
      findPlace: (packet) => this.#places.find(packet),
      placeWaitingOn: (worker) => this.#places.fillOn(worker),
      left: (attempt, outcome) => this.#leftEndpoint(attempt, outcome),
      freeState: (packet) => this.#moves.freeState(packet),
      settlePacket: (packet, use) => this.#settlePacket(packet, use),
      fail: (request, error) => this.#fail(request, error),
      packetAdded: () => void this.#openPackets++,
    };
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
      requests: this.#requests.size + this.#turnstile.waiting,
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
        return this.#restore(event);
      case "limits_changed":
        return this.#reservations.setLimits(event.limits, event.known);
      case "slice_asked":
        return this.#slices.asked(event, { draining: this.#draining });
      case "ledger_durable":
        this.#slices.durable(event.through);
        for (const packet of this.#reservations.durable(event.through)) this.#covered(packet);
        return;
      case "ledger_touched":
        return this.#touched(event);
      case "lease_answered":
        for (const packet of this.#reservations.leaseAnswered(event)) this.#leased(packet);
        return;
      case "turn_given":
        return this.#turnstile.given(event);
      case "lease_recalled":
        return this.#reservations.leaseRecalled(event);
      case "slice_coming":
        return this.#reservations.sliceComing(event);
      case "slice_settled":
        for (const packet of this.#reservations.sliceSettled(event)) this.#leased(packet);
        return;
      case "slice_closing":
        return this.#reservations.sliceClosing(event);
      case "slice_told":
        return this.#slices.told(event);
      case "doubts_left":
        return this.#doubts.inherit(event);
      case "attempt_started":
        return this.#withAttempt(event.attempt, (attempt) => this.#started(attempt, event));
      case "attempt_output":
        return this.#withAttempt(event.attempt, (attempt) => this.#output(attempt, event));
      case "choice_finished":
        return this.#withAttempt(event.attempt, (attempt) => this.#choiceFinished(attempt, event));
      case "attempt_finished":
        return this.#withAttempt(event.attempt, (attempt) => this.#finished(attempt, event));
      case "attempt_failed":
        return this.#withAttempt(event.attempt, (attempt) => this.#recovery.failed(attempt, event));
      case "attempt_parked":
        return this.#withAttempt(event.attempt, (attempt) => this.#parked(attempt, event));
      case "client_gone":
        return this.#clientGone(event.request);
      case "client_blocked":
        return this.#withRequest(event.request, (request) => this.#clientBlocked(request));
      case "client_drained":
        return this.#withRequest(event.request, (request) => this.#clientDrained(request));
      case "heartbeat_received":
        return this.#heartbeat(event);
      case "receipts_read":
        return this.#doubts.read(event);
      case "worker_left":
        return this.#workerLeft(event);
      case "timer_fired":
        for (const deadline of this.#turn.due()) this.#deadlineReached(deadline);
        return;
      case "policy_set":
        return this.#setPolicies(event.scheduling);
      case "drain_asked":
        return this.#drain();
    }
  }

  // ── admit ──────────────────────────────────────────────────────────────────────────────

  #admit(arrival: RequestArrived): void {
    assert(!this.#requests.has(arrival.request), `${arrival.request} arrives once`);
    const name = resolveModel(arrival.model, this.#config.aliases);
    const model = servedModel(name, { config: this.#config, fleet: this.#fleet });
    const price = priceOf(name, this.#config, this.#turn.nowUs);
    const request = newRequest({
      arrival,
      model,
      price: "code" in price ? FREE : price,
      nowUs: this.#turn.nowUs,
      profile: this.#placement.draw(),
    });
    const refusal = this.#admission.admit(
      { arrival, model },
      {
        openPackets: this.#openPackets - this.#reservations.waiting + this.#turnstile.waiting,
        draining: this.#draining,
      },
    );
    if (refusal !== null) this.#refuse(request, refusal);
    else this.#enter({ request, unpriced: "code" in price ? price : null });
  }

  #enter(entrant: Entrant): void {
    const { request } = entrant;
    request.deadline = this.#turn.after(this.#config.timeouts.totalUs, { kind: "request_total", request });
    this.#turnstile.take(entrant);
  }

  /** Why a request can't come in any more that there was room for when it arrived; null when it can. */
  #tooLate({ arrival, model }: Request): HeadgateError | null {
    return this.#admission.outOfReach({ arrival, model }, { draining: this.#draining });
  }

  /** Turns a request away before it owns anything. */
  #refuse(request: Request, error: HeadgateError): void {
    this.#turn.cancel(request.deadline);
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
    this.#races.counted(this.#scheduling.tail.hedge);
    for (const packet of request.packets) {
      // One that is refused ends the request, and the others with it.
      if (packet.stage === "plan") this.#reserve(packet);
    }
  }

  // ── reserve ────────────────────────────────────────────────────────────────────────────

  /** Holds what the packet may cost; it goes no further until the hold would survive a crash. */
  #reserve(packet: Packet): void {
    enter(packet, "reserve", this.#turn.nowUs);
    const isWhole = isShown(packet) && packet.carried.tokens >= packet.maxTokens;
    // Nothing but the word of its end was lost.
    if (isWhole) this.#endAt(packet, packet.carried, packet.shortage);
    else this.#fundPacket(packet);
  }

  #fundPacket(packet: Packet): void {
    const shortage = this.#funding.fund(packet);
    if (shortage === null) return;
    if (packet.rival !== null) this.#races.lose(packet);
    else if (isShown(packet)) this.#endAt(packet, packet.carried, shortage);
    else this.#fail(packet.request, budgetError(shortage, this.#turn.nowUs));
  }

  /** Money has come free: to those that wait for it, in the order in which they came. Who turned out to lack GPU time may wait, too, or is refused. */
  #fund(): void {
    for (const packet of this.#reservations.refundable()) this.#fundPacket(packet);
    for (const packet of this.#outOfGpus) {
      this.#outOfGpus.delete(packet);
      if (packet.stage === "reserve") this.#fundPacket(packet);
    }
  }

  /** A hold is durable: the packet's first, or one that has become longer. */
  #covered(packet: Packet): void {
    const { attempt, request } = packet;
    if (attempt !== null) return this.#lengthened(attempt);
    // A longer hold of an answer on its way to another worker: whoever goes on with it gets the credit.
    if (packet.stage !== "reserve" || packet.waitsFor !== null) return;
    if (packet.rival !== null && packet.isHedge) return this.#places.placeHedge(packet);
    const isNew = packet.attempts === 0 && packet.stagesUs.queue === undefined;
    if (packet.choice === 0 && isNew && !packet.isHedge) {
      const budgets = this.#reservations.remainders(request.account).map(viewOf);
      if (budgets.length > 0) this.#turn.emit({ kind: "budget_told", request: request.id, budgets });
    }
    this.#places.enter(packet);
  }

  /** What it may use has grown: tokens, GPU time, or both. */
  #lengthened(attempt: Attempt): void {
    const { creditTokens } = attempt.packet;
    if (creditTokens > attempt.creditTokens) this.#attempts.grant(attempt, creditTokens);
    this.#gpuBounds.lengthened(attempt);
  }

  // ── dispatch ───────────────────────────────────────────────────────────────────────────

  #dispatch(packet: Packet, endpoint: Endpoint): void {
    const { sessions } = footprint(packet, endpoint);
    const time = this.#gpuBounds.cover(packet, places(shareOfPlace(endpoint), sessions));
    if (time !== "covered") {
      enter(packet, "reserve", this.#turn.nowUs);
      // Whoever gives out places is not disturbed by a request that ends.
      if (time === "short") this.#outOfGpus.add(packet);
      return;
    }
    enter(packet, "dispatch", this.#turn.nowUs);
    const { nowUs } = this.#turn;
    const attempt = this.#attempts.begin(packet, endpoint, {
      isPrefillOnly: this.#placement.isPrefillOnly(packet, endpoint, this.#fleet.available(endpoint.model)),
    });
    this.#gpuBounds.watch(attempt);
    this.#placement.dispatched(attempt, nowUs);
    this.#queue.dispatched(packet, nowUs);
    this.#races.dispatched(packet, this.#scheduling.tail.hedge);
  }

  /** Its load there is gone. */
  #leftEndpoint(attempt: Attempt, outcome: "completed" | "failed" | "cancelled"): void {
    const { nowUs } = this.#turn;
    this.#races.called(attempt.packet);
    this.#preemption.ended(attempt);
    this.#batches.read(attempt.packet);
    this.#placement.ended(attempt, nowUs, outcome);
    // Where its flow ran as many as it may, what waits of it can go to any worker.
    if (this.#queue.ended(attempt.packet, nowUs)) this.#places.releaseAll();
  }

  // ── stream ─────────────────────────────────────────────────────────────────────────────

  /** The prompt's true length is known: what its bound set aside too much goes to others. */
  #started(attempt: Attempt, event: AttemptStarted): void {
    const { packet, endpoint } = attempt;
    const usage = { promptTokens: event.promptTokens, cachedTokens: event.cachedTokens, completionTokens: 0 };
    const { promptTokens: tokens, cachedTokens: cached } = credibleUsage(attempt, usage);
    attempt.prompt = attempt.packet.carried?.prompt ?? { tokens, cached };
    attempt.hasStarted = true;
    this.#attempts.progressed(attempt);
    this.#placement.started(attempt, this.#turn.nowUs);
    this.#queue.read(packet, tokens, this.#turn.nowUs);
    this.#batches.read(packet);
    this.#moves.freeState(packet);
    this.#emptyIfDraining(endpoint.worker);
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
    this.#places.fillOn(endpoint.worker);
  }

  /** Relays what holds cover; an answer that has run out of credit for good ends there. */
  #output(attempt: Attempt, event: AttemptOutput): void {
    // A sign of life without a token is no progress, or it could put off a timeout for ever.
    if (event.tokens === 0) return;
    const { packet } = attempt;
    this.#races.token(packet, { isFirst: attempt.generatedTokens === 0 });
    const isCut = this.#streams.output(attempt, event);
    this.#attempts.progressed(attempt);
    this.#placement.generated(attempt, event.tokens, this.#turn.nowUs);
    this.#queue.generated(packet, event.tokens, this.#turn.nowUs);
    if (!isCut) this.#preemption.generated(attempt, event.tokens);
    if (isCut) this.#cutOff(attempt);
  }

  #choiceFinished(attempt: Attempt, event: ChoiceFinished): void {
    if (this.#streams.choiceFinished(attempt, event)) this.#cutOff(attempt);
  }

  #cutOff(attempt: Attempt): void {
    this.#attempts.cancel(attempt, "credit_exhausted");
    this.#breakers.succeeded(attempt.endpoint, this.#scheduling.tail.breaker);
    this.#answered(attempt, usageSoFar(attempt));
  }

  /** What is held of GPU time is over. It ends where it is, unless another one races for the same answer. */
  #outOfTime(attempt: Attempt): void {
    const { packet, endpoint } = attempt;
    if (packet.rival !== null) return this.#races.lose(packet);
    this.#streams.cutAll(attempt, this.#gpuBounds.limitOf(attempt));
    this.#attempts.cancel(attempt, "gpu_time_over");
    if (hasBegun(attempt)) this.#breakers.succeeded(endpoint, this.#scheduling.tail.breaker);
    const usage = usageSoFar(attempt);
    this.#answered(attempt, usage, useOf(attempt, null) === "unknown" ? "unknown" : chargeFor(packet, usage));
  }

  /** An answer that was to go on elsewhere ends at the token that it has come to, perhaps because nothing is left to pay for more. */
  #endAt(packet: Packet, { attempt }: Carried, shortage: LimitReached | null): void {
    const { request, choice } = packet;
    this.#turn.emit({
      kind: "finish_answer",
      request: request.id,
      choice,
      attempt,
      finishReason: "length",
      shortage: shortage === null ? null : viewOf(shortage),
    });
    this.#settlePacket(packet, "none");
    this.#completeIfAnswered(request);
  }

  #finished(attempt: Attempt, { finishReason, usage }: AttemptFinished): void {
    this.#races.token(attempt.packet, { isFirst: false });
    this.#attempts.end(attempt);
    this.#breakers.succeeded(attempt.endpoint, this.#scheduling.tail.breaker);
    this.#streams.finished(attempt, finishReason);
    this.#answered(attempt, credibleUsage(attempt, usage));
  }

  /** One packet has its answer; the request has its own when all have. */
  #answered(attempt: Attempt, usage: TokenUsage, use: Use = chargeFor(attempt.packet, usage)): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    if (packet.stage === "dispatch") enter(packet, "stream", this.#turn.nowUs);
    this.#leftEndpoint(attempt, "completed");
    packet.usage = usage;
    this.#streams.answered(attempt);
    this.#settlePacket(packet, use);
    this.#completeIfAnswered(request);
    this.#places.fillOn(endpoint.worker);
  }

  /** The answer goes on elsewhere, if it can. */
  #parked(attempt: Attempt, event: AttemptParked): void {
    if (canCarry(attempt) && (attempt.isParking || attempt.isPrefillOnly)) {
      this.#breakers.succeeded(attempt.endpoint, this.#scheduling.tail.breaker);
      return this.#moves.parked(attempt, event);
    }
    this.#recovery.attemptFailed(attempt, {
      reason: "endpoint_error",
      message: "It parked what it was not asked to, or what can't be moved.",
    });
  }

  #completeIfAnswered(request: Request): void {
    if (!request.packets.every(({ stage }) => stage === "settle")) return;
    this.#turn.emit({
      kind: "finish_request",
      request: request.id,
      usage: totalUsage(request.packets),
      cost: request.charged,
      budgets: this.#reservations.remainders(request.account).map(viewOf),
    });
    this.#settle(request, "completed");
  }

  // ── settle ─────────────────────────────────────────────────────────────────────────────

  /** Posts what the packet used and gives back the rest. */
  #settlePacket(packet: Packet, use: Use): void {
    if (packet.stage === "settle") return;
    this.#places.leave(packet);
    this.#moves.freeState(packet);
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
      this.#leftEndpoint(attempt, "cancelled");
      attempt.packet.usage = usageSoFar(attempt);
      attempt.packet.use = useOf(attempt, null);
    }
    const stoodInLine = request.packets.some((packet) => this.#queue.has(packet));
    // The first packet goes last: it counts the request if any of them has used something.
    for (const packet of request.packets.toReversed()) this.#settlePacket(packet, packet.use);
    this.#recordSettled(request, outcome, error);
    for (const { endpoint } of running) this.#places.fillOn(endpoint.worker);
    // There may have been room for those behind it all the time.
    if (stoodInLine) this.#places.fill(request.model);
    if (this.#draining && this.#requests.size === 0) this.#turn.emit({ kind: "drained" });
  }

  #recordSettled(request: Request, outcome: Outcome, error: HeadgateError | null): void {
    const record = recordOf(request, { nowUs: this.#turn.nowUs, outcome, error });
    this.#turn.emit({ kind: "request_settled", record });
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────

  #clientGone(id: string): void {
    const early = this.#turnstile.leave(id);
    if (early !== null) {
      this.#turn.cancel(early.deadline);
      this.#recordSettled(early, "abandoned", null);
    }
    this.#withRequest(id, (request) => this.#settle(request, "abandoned"));
  }

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
    const { worker, lost, stalled } = heard;
    this.#placement.reported(worker, report, this.#turn.nowUs);
    if (heard.isNew) for (const endpoint of worker.endpoints) this.#breakers.reset(endpoint);
    this.#recovery.lost(lost, { reason: "worker_lost", message: "The worker restarted." });
    this.#recovery.lost(stalled, { reason: "stalled", message: "The worker's engine stands still." });
    for (const endpoint of worker.endpoints) this.#attempts.forgive(endpoint);
    this.#places.fillOn(worker);
    this.#emptyIfDraining(worker);
    if (heard.isNew) this.#doubts.ask(worker);
  }

  #emptyIfDraining(worker: Worker): void {
    if (worker.status === "draining" && this.#scheduling.tail.migration) this.#moves.empty(worker);
  }

  /** A good-bye may be overtaken by the report of the worker's next life, which it does not concern. */
  #workerLeft({ worker: id, epoch, reason }: WorkerLeft): void {
    const worker = this.#fleet.worker(id);
    if (worker === undefined || isRemote(worker)) return;
    if (epoch === null || epoch === worker.epoch) this.#evict(worker, reason);
  }

  #evict(worker: Worker, reason: string): void {
    const attempts = this.#health.evict(worker, reason);
    this.#recovery.lost(attempts, { reason: "worker_lost", message: `The worker is gone: ${reason}.` });
    this.#placement.forgot(worker);
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
        deadline.packet.fundingTimer = null;
        return this.#fundPacket(deadline.packet);
      case "packet_queued":
        return this.#places.refuse(deadline.packet, "queue_timeout");
      case "batch_due":
        return this.#places.fill(deadline.model);
      case "packet_backed_off":
        return this.#places.stand(deadline.packet);
      case "packet_slow":
        deadline.packet.hedgeTimer = null;
        if (this.#draining) return;
        return this.#races.slow(deadline.packet, this.#scheduling.tail.hedge);
      case "breaker_half_open":
        this.#breakers.halfOpen(deadline.endpoint);
        return this.#places.fill(deadline.endpoint.model);
      case "attempt_silent":
        if (this.#attempts.isSilent(deadline.attempt)) this.#recovery.silent(deadline.attempt);
        return;
      case "endpoint_refused":
        this.#attempts.forgive(deadline.endpoint);
        return this.#places.fill(deadline.endpoint.model);
      case "gpu_time_due":
        if (this.#gpuBounds.due(deadline.attempt)) this.#outOfTime(deadline.attempt);
        return;
      case "worker_silent":
        if (this.#health.isDead(deadline.worker)) this.#evict(deadline.worker, NO_HEARTBEAT);
        return;
      case "slice_over":
        return this.#slices.over(deadline.account);
      case "lease_over":
        return this.#loseLeases();
      case "drain":
        return this.#endAll("draining");
    }
  }

  #totalTimeout(request: Request): void {
    if (this.#turnstile.leave(request.id) !== null) {
      const message = "The request had not come in when timeouts.total ran out.";
      return this.#refuse(request, { code: "deadline_exceeded", stage: "admit", message });
    }
    const unfinished = request.packets.find(({ stage }) => stage !== "settle");
    assert(unfinished !== undefined, `${request.id} has packets left`);
    const { stage } = unfinished;
    const message = `The request was still in stage ${stage} when timeouts.total ran out.`;
    this.#fail(request, { code: "deadline_exceeded", stage, message });
  }

  // ── the ledger that it shares with others ──────────────────────────────────────────────

  #restore(event: LedgerRestored): void {
    this.#reservations.restore(event);
    this.#slices.restored();
    if (event.isReplica) this.#keepLeases(this.#turn.nowUs);
  }

  #touched({ sentUs, ledgerUs }: LedgerTouched): void {
    this.#reservations.follow(ledgerUs);
    this.#keepLeases(sentUs);
  }

  /** Whoever keeps the ledger knew of it then, and will not take it for dead for some time. */
  #keepLeases(sinceUs: Micros): void {
    this.#turn.cancel(this.#leaseTimer);
    this.#leaseTimer = this.#turn.at(sinceUs + LEASE_TTL_US - LEASE_SKEW_US, { kind: "lease_over" });
  }

  /** Others may take what it holds for lost by now: nothing that a hold covers goes on. */
  #loseLeases(): void {
    this.#turnstile.close(noCapacity("ledger_unavailable"));
    this.#endAll("ledger_unavailable");
    this.#draining = true;
    this.#turn.emit({ kind: "lease_lost" });
  }

  /** An answer that has asked for more may go on, or ends where its credit does; a packet that waits for its budget may have it. */
  #leased(packet: Packet): void {
    const { attempt, waitsFor } = packet;
    if (waitsFor !== null) return this.#fundPacket(packet);
    if (attempt === null) {
      if (isWholeDurable(packet)) this.#covered(packet);
      return;
    }
    this.#gpuBounds.retry(attempt);
    if (this.#streams.retry(attempt)) this.#cutOff(attempt);
  }

  // ── policies ───────────────────────────────────────────────────────────────────────────

  /** Whatever waits or runs is kept; from now on it is scheduled by other rules. */
  #setPolicies(changes: Partial<Scheduling>): void {
    this.#scheduling = { ...this.#scheduling, ...changes };
    if (this.#scheduling.tail.breaker === null) this.#breakers.resetAll(this.#fleet.workers);
    const { placement, queueing } = this.#scheduling;
    if (changes.placement !== undefined) this.#placement.reconfigure(placement);
    if (changes.queueing !== undefined) this.#batches.reconfigure(queueing.batching);
    const limits = queueLimits({ ...this.#config, scheduling: this.#scheduling });
    this.#queue.reconfigure(queueing, this.#turn.nowUs, limits);
    if (changes.admission !== undefined) this.#admission.reconfigure(changes.admission);
    this.#places.fillAll();
  }

  // ── stop ───────────────────────────────────────────────────────────────────────────────

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#turn.after(this.#config.timeouts.drainUs, { kind: "drain" });
    this.#turnstile.close(noCapacity("draining"));
    if (this.#requests.size === 0) this.#turn.emit({ kind: "drained" });
    for (const request of this.#requests.values()) {
      const isUnfunded = request.packets.some(({ waitsFor, isAsking }) => waitsFor !== null && !isAsking);
      if (isUnfunded) this.#fail(request, noCapacity("draining"));
    }
  }

  /** Ends all that is left. The queue goes first: what comes free now is not given out again. */
  #endAll(reason: "draining" | "ledger_unavailable"): void {
    for (const packet of this.#queue.all()) this.#places.leave(packet);
    for (const request of this.#requests.values()) this.#fail(request, noCapacity(reason));
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

/** Nothing of its hold is still on its way to the disk. */
function isWholeDurable({ hold, heldTokens, creditTokens, heldGpuUs, creditGpuUs }: Packet): boolean {
  return hold !== null && heldTokens === creditTokens && heldGpuUs === creditGpuUs;
}
