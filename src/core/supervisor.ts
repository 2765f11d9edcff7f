import { admit, noCapacity } from "./admission/admission.ts";
import { assert } from "./assert.ts";
import { Budget } from "./budget/budget.ts";
import type { LedgerEntry } from "./budget/ledger-entry.ts";
import type { CoreConfig } from "./config.ts";
import type { Deadline, TimerHandle } from "./deadlines.ts";
import { failureError, mayRetry } from "./dispatching/retry.ts";
import type { Effect } from "./effects.ts";
import type { HeadgateError } from "./errors.ts";
import type {
  AttemptFinished,
  AttemptOutput,
  AttemptStarted,
  HeartbeatReceived,
  RequestArrived,
  SupervisorEvent,
} from "./events.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import { Fleet } from "./fleet/fleet.ts";
import { sessionKvBytes } from "./fleet/kv.ts";
import type { Worker } from "./fleet/worker.ts";
import { type Inspection, inspect } from "./inspection.ts";
import { kvBytesNeeded, place, type PlacementProfile } from "./placement/placement.ts";
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
import { coveredTokens, silentAtUs } from "./streaming/meter.ts";
import { Timers } from "./timers.ts";
import type { Micros } from "./units.ts";
import type { Charge, FailureReason, TokenUsage } from "./vocabulary.ts";

/**
 * Composes the stages. Follow a request by reading downwards: admit, plan, reserve, queue,
 * place, dispatch, stream, settle; what can interrupt it (clients, workers, time, a stop) comes
 * after. `handle` is the only way in, its effects are the only way out, and the same events
 * at the same times give the same effects, whoever plays the world.
 */
export class Supervisor {
  readonly #config: CoreConfig;
  readonly #profile: PlacementProfile;
  readonly #fleet: Fleet;
  readonly #queue: Queue;
  readonly #budget = new Budget();
  readonly #timers = new Timers<Deadline>();
  readonly #requests = new Map<string, Request>();
  readonly #attempts = new Map<string, Attempt>();
  /** Packets whose hold is not durable yet, in ledger order. */
  readonly #reserving = new Set<Packet>();
  #openPackets = 0;
  #draining = false;
  #nowUs: Micros = 0;
  #wakeUs: Micros = Infinity;
  #effects: Effect[] = [];

  constructor(config: CoreConfig) {
    this.#config = config;
    this.#profile = placementPolicy(config.placement.policy);
    this.#fleet = new Fleet(config);
    this.#queue = new Queue(config.limits);
  }

  /** Takes in what happened and says what to do about it, in that order. */
  handle(nowUs: Micros, event: SupervisorEvent): Effect[] {
    assert(nowUs >= this.#nowUs, "time does not go back");
    this.#nowUs = nowUs;
    this.#effects = [];
    this.#react(event);
    this.#keepWakeUp();
    return this.#effects;
  }

  inspect(): Inspection {
    return inspect({
      draining: this.#draining,
      requests: this.#requests.size,
      queue: this.#queue,
      fleet: this.#fleet,
    });
  }

  #react(event: SupervisorEvent): void {
    switch (event.kind) {
      case "request_arrived":
        return this.#admit(event);
      case "ledger_durable":
        return this.#holdsDurable(event.through);
      case "attempt_started":
        return this.#started(event);
      case "attempt_output":
        return this.#output(event);
      case "attempt_finished":
        return this.#finished(event);
      case "attempt_failed":
        return this.#withAttempt(event.attempt, (attempt) => this.#attemptFailed(attempt, event));
      case "client_gone":
        return this.#withRequest(event.request, (request) => this.#abandon(request, "abandoned"));
      case "client_blocked":
        return this.#withRequest(event.request, (request) => this.#clientBlocked(request));
      case "client_drained":
        return this.#withRequest(event.request, (request) => this.#clientDrained(request));
      case "heartbeat_received":
        return this.#heartbeat(event);
      case "worker_left":
        return this.#workerLeft(event.worker, event.reason);
      case "timer_fired":
        return this.#timerFired();
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
    const request = newRequest({ arrival, model, maxTokens: 0, nowUs: this.#nowUs });
    this.#effects.push({ kind: "fail_request", request: request.id, error });
    this.#recordSettled(request, "failed", error);
  }

  // ── plan ───────────────────────────────────────────────────────────────────────────────

  #plan(arrival: RequestArrived, model: string): void {
    const planned = plan(arrival, model, {
      config: this.#config,
      endpoints: this.#fleet.available(model),
    });
    if ("code" in planned) return this.#refuse(arrival, model, planned);
    const { maxTokens, packets } = planned;
    const request = newRequest({ arrival, model, maxTokens, nowUs: this.#nowUs });
    for (const piece of packets) request.packets.push(newPacket(request, piece));
    this.#requests.set(request.id, request);
    this.#openPackets += packets.length;
    request.deadline = this.#after(this.#config.timeouts.totalUs, { kind: "request_total", request });
    for (const packet of request.packets) this.#reserve(packet);
  }

  // ── reserve ────────────────────────────────────────────────────────────────────────────

  /** Holds the packet's worst case; it goes no further until the hold would survive a crash. */
  #reserve(packet: Packet): void {
    enter(packet, "reserve", this.#nowUs);
    const { hold, entry } = this.#budget.reserve({
      id: `${packet.id}:${packet.attempts}`,
      account: `global/${packet.request.arrival.tenant}`,
      worstCase: worstCaseOf(packet),
    });
    packet.hold = hold;
    this.#reserving.add(packet);
    this.#append(entry);
  }

  #holdsDurable(through: number): void {
    for (const packet of this.#reserving) {
      assert(packet.hold !== null, `${packet.id} waits for a hold`);
      if (packet.hold.sequence > through) return;
      this.#reserving.delete(packet);
      this.#enqueue(packet);
    }
  }

  // ── queue ──────────────────────────────────────────────────────────────────────────────

  /** Packets wait here, not at workers; one that needs not wait passes straight through. */
  #enqueue(packet: Packet): void {
    enter(packet, "queue", this.#nowUs);
    const { model, arrival } = packet.request;
    const isFirst = packet.tried.size > 0 || !this.#queue.isWaiting(model);
    if (isFirst && this.#place(packet)) return;
    if (!this.#queue.hasRoom(arrival.bodyBytes)) {
      const hasQueue = this.#config.limits.queuePacketsMax > 0;
      return this.#fail(packet.request, noCapacity(hasQueue ? "queue_full" : "all_workers_at_capacity"));
    }
    this.#queue.add(packet);
    packet.queueTimer = this.#after(this.#config.timeouts.queueUs, { kind: "packet_queued", packet });
  }

  #leaveQueue(packet: Packet): void {
    if (!this.#queue.remove(packet)) return;
    this.#cancelTimer(packet.queueTimer);
    packet.queueTimer = null;
  }

  // ── place ──────────────────────────────────────────────────────────────────────────────

  /** Gives freed capacity to whoever has waited longest. */
  #placeWaiting(model: string): void {
    for (const packet of this.#queue.inOrder(model)) {
      if (this.#place(packet)) continue;
      // A packet that may not use some endpoints must not keep the others from using them.
      if (packet.tried.size === 0) return;
    }
  }

  #place(packet: Packet): boolean {
    if (this.#fleet.isFull) return false;
    const endpoint = place(packet, this.#fleet.available(packet.request.model), this.#profile);
    if (endpoint === null) return false;
    this.#leaveQueue(packet);
    enter(packet, "place", this.#nowUs);
    this.#dispatch(packet, endpoint);
    return true;
  }

  // ── dispatch ───────────────────────────────────────────────────────────────────────────

  #dispatch(packet: Packet, endpoint: Endpoint): void {
    enter(packet, "dispatch", this.#nowUs);
    const { request, choice, choices } = packet;
    packet.attempts++;
    const attempt: Attempt = {
      id: `${packet.id}#${packet.attempts}`,
      packet,
      endpoint,
      creditTokens: request.maxTokens * choices,
      kvBytes: kvBytesNeeded(packet, endpoint),
      prompt: null,
      generatedTokens: 0,
      progressUs: this.#nowUs,
      silence: null,
    };
    packet.attempt = attempt;
    request.workers.push(endpoint.worker.id);
    this.#attempts.set(attempt.id, attempt);
    this.#fleet.occupy(attempt);
    this.#watchSilence(attempt);
    this.#effects.push({
      kind: "dispatch",
      attempt: attempt.id,
      request: request.id,
      choice,
      choices,
      worker: endpoint.worker.id,
      model: endpoint.model,
      maxTokens: request.maxTokens,
      creditTokens: attempt.creditTokens,
    });
  }

  /** The attempt is over for the endpoint: its capacity goes to the next packet in line. */
  #releaseAttempt(attempt: Attempt): void {
    this.#attempts.delete(attempt.id);
    attempt.packet.attempt = null;
    this.#cancelTimer(attempt.silence);
    this.#fleet.release(attempt);
  }

  #cancelAttempt(attempt: Attempt, reason: string): void {
    this.#effects.push({ kind: "cancel_attempt", attempt: attempt.id, reason });
    this.#releaseAttempt(attempt);
  }

  #attemptFailed(attempt: Attempt, failure: { reason: FailureReason; message: string }): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    packet.tried.add(endpoint.id);
    this.#releaseAttempt(attempt);
    const isUntried = (other: Endpoint): boolean => !packet.tried.has(other.id);
    const retry =
      mayRetry(attempt, failure.reason, this.#config.retriesMax) &&
      this.#fleet.available(request.model).some(isUntried);
    if (!retry) {
      packet.usage = usageSoFar(attempt);
      this.#fail(request, failureError(packet, failure));
    } else if (hasUse(attempt)) {
      // What it used is charged by itself; the request is counted with the attempt that ends it.
      this.#closeHold(packet, { ...chargeFor(packet, usageSoFar(attempt)), requests: 0 });
      this.#reserve(packet);
    } else {
      this.#enqueue(packet);
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── stream ─────────────────────────────────────────────────────────────────────────────

  #started(event: AttemptStarted): void {
    this.#withAttempt(event.attempt, (attempt) => {
      const { packet, endpoint } = attempt;
      attempt.prompt = { tokens: event.promptTokens, cached: event.cachedTokens };
      attempt.progressUs = this.#nowUs;
      const kvBytes = sessionKvBytes({
        promptTokens: event.promptTokens,
        maxTokens: packet.request.maxTokens,
        contextTokens: endpoint.contextTokens,
        bytesPerToken: endpoint.kvBytesPerToken,
      });
      // The true prompt is rarely longer than its bound; then only what was set aside is counted.
      if (kvBytes < attempt.kvBytes) {
        this.#fleet.resize(attempt, kvBytes);
        this.#placeWaitingOn(endpoint.worker);
      }
    });
  }

  /** Relays what the hold covers; a stream that runs past its credit ends at that token. */
  #output(event: AttemptOutput): void {
    this.#withAttempt(event.attempt, (attempt) => {
      const { packet } = attempt;
      const { request } = packet;
      const tokens = coveredTokens(attempt, event.tokens);
      if (packet.stage === "dispatch") enter(packet, "stream", this.#nowUs);
      request.firstTokenUs ??= this.#nowUs;
      attempt.progressUs = this.#nowUs;
      attempt.generatedTokens += tokens;
      if (tokens > 0) {
        const answer = { request: request.id, choice: packet.choice, attempt: attempt.id };
        this.#effects.push({ kind: "relay", ...answer, tokens });
      }
      if (tokens < event.tokens) {
        this.#cancelAttempt(attempt, "credit_exhausted");
        this.#answered(attempt, { finishReason: "length", usage: usageSoFar(attempt) });
      }
    });
  }

  #finished(event: AttemptFinished): void {
    this.#withAttempt(event.attempt, (attempt) => {
      this.#releaseAttempt(attempt);
      this.#answered(attempt, event);
    });
  }

  /** One packet has its answer; the request has its own when all have. */
  #answered(attempt: Attempt, end: { finishReason: string; usage: TokenUsage }): void {
    const { packet, endpoint } = attempt;
    const { request } = packet;
    if (packet.stage === "dispatch") enter(packet, "stream", this.#nowUs);
    packet.usage = end.usage;
    this.#effects.push({
      kind: "finish_answer",
      request: request.id,
      choice: packet.choice,
      attempt: attempt.id,
      finishReason: end.finishReason,
    });
    this.#settlePacket(packet);
    if (request.packets.every(({ stage }) => stage === "settle")) {
      this.#effects.push({ kind: "finish_request", request: request.id, usage: totalUsage(request.packets) });
      this.#settle(request, "completed", null);
    }
    this.#placeWaitingOn(endpoint.worker);
  }

  // ── settle ─────────────────────────────────────────────────────────────────────────────

  /** Posts what the packet used and gives back the rest. */
  #settlePacket(packet: Packet): void {
    if (packet.stage === "settle") return;
    this.#reserving.delete(packet);
    this.#leaveQueue(packet);
    if (packet.hold !== null) this.#closeHold(packet, chargeFor(packet, packet.usage));
    enter(packet, "settle", this.#nowUs);
    this.#openPackets--;
  }

  #closeHold(packet: Packet, used: Charge): void {
    const { hold } = packet;
    assert(hold !== null, `${packet.id} has a hold to close`);
    packet.hold = null;
    const isUsed = used.inputTokens + used.outputTokens > 0;
    this.#append(isUsed ? this.#budget.post(hold, used) : this.#budget.void(hold));
  }

  /** Ends whatever of the request still runs; each packet pays for what it used until now. */
  #stopPackets(request: Request, reason: string): void {
    const freed: Worker[] = [];
    for (const packet of request.packets) {
      const { attempt } = packet;
      if (attempt !== null) {
        this.#cancelAttempt(attempt, reason);
        packet.usage = usageSoFar(attempt);
        freed.push(attempt.endpoint.worker);
      }
      this.#settlePacket(packet);
    }
    for (const worker of freed) this.#placeWaitingOn(worker);
  }

  #fail(request: Request, error: HeadgateError): void {
    this.#effects.push({ kind: "fail_request", request: request.id, error });
    this.#settle(request, "failed", error);
  }

  #settle(request: Request, outcome: Outcome, error: HeadgateError | null): void {
    // Taken out first: freed capacity goes to others, never back to this request.
    assert(this.#requests.delete(request.id), `${request.id} is settled once`);
    this.#cancelTimer(request.deadline);
    this.#cancelTimer(request.slowClient);
    this.#stopPackets(request, error?.code ?? outcome);
    this.#recordSettled(request, outcome, error);
    if (this.#draining && this.#requests.size === 0) this.#effects.push({ kind: "drained" });
  }

  #recordSettled(request: Request, outcome: Outcome, error: HeadgateError | null): void {
    const record = recordOf(request, { nowUs: this.#nowUs, outcome, error });
    this.#effects.push({ kind: "request_settled", record });
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────

  #abandon(request: Request, outcome: Outcome): void {
    this.#settle(request, outcome, null);
  }

  #clientBlocked(request: Request): void {
    if (request.slowClient !== null) return;
    request.slowClient = this.#after(this.#config.timeouts.slowClientUs, { kind: "client_slow", request });
  }

  #clientDrained(request: Request): void {
    if (request.slowClient === null) return;
    this.#cancelTimer(request.slowClient);
    request.slowClient = null;
    // While the client did not read, nobody read from the endpoint either.
    for (const { attempt } of request.packets) if (attempt !== null) attempt.progressUs = this.#nowUs;
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────

  #heartbeat(report: HeartbeatReceived): void {
    const outcome = this.#fleet.heartbeat(this.#nowUs, report);
    const accepted = outcome.kind !== "rejected";
    this.#effects.push({ kind: "answer_heartbeat", report: report.report, accepted });
    if (!accepted) return;
    const { worker } = outcome;
    if (outcome.kind !== "same") {
      const { status } = worker;
      this.#effects.push({ kind: "worker_changed", worker: worker.id, status, reason: outcome.kind });
    }
    if (outcome.kind === "joined") this.#watchWorker(worker);
    if (outcome.kind === "restarted") this.#loseAttempts(outcome.lost, "The worker restarted.");
    this.#placeWaitingOn(worker);
  }

  #workerLeft(id: string, reason: string): void {
    const worker = this.#fleet.worker(id);
    if (worker === undefined || worker.heardUs === null) return;
    const lost = this.#fleet.remove(worker);
    this.#cancelTimer(worker.silence);
    this.#effects.push({ kind: "worker_changed", worker: id, status: "evicted", reason });
    this.#loseAttempts(lost, `The worker is gone: ${reason}.`);
  }

  #loseAttempts(attempts: readonly Attempt[], message: string): void {
    for (const attempt of attempts) {
      // Failing one attempt may have ended its request, and with it others of this list.
      if (!this.#attempts.has(attempt.id)) continue;
      this.#effects.push({ kind: "cancel_attempt", attempt: attempt.id, reason: "worker_lost" });
      this.#attemptFailed(attempt, { reason: "worker_lost", message });
    }
  }

  #placeWaitingOn(worker: Worker): void {
    for (const { model } of worker.endpoints) this.#placeWaiting(model);
    // What was kept back by a limit of the whole system may now go to any worker.
    if (this.#fleet.wasFull()) for (const model of this.#queue.models) this.#placeWaiting(model);
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────

  #timerFired(): void {
    this.#wakeUs = Infinity;
    for (let due = this.#timers.takeDue(this.#nowUs); due !== null; due = this.#timers.takeDue(this.#nowUs)) {
      this.#deadlineReached(due.action);
    }
  }

  #deadlineReached(deadline: Deadline): void {
    switch (deadline.kind) {
      case "request_total":
        return this.#totalTimeout(deadline.request);
      case "client_slow":
        this.#effects.push({ kind: "drop_client", request: deadline.request.id });
        return this.#abandon(deadline.request, "dropped");
      case "packet_queued":
        return this.#fail(deadline.packet.request, noCapacity("queue_timeout"));
      case "attempt_silent":
        return this.#checkSilence(deadline.attempt);
      case "worker_silent":
        return this.#checkWorker(deadline.worker);
      case "drain":
        for (const request of this.#requests.values()) this.#fail(request, noCapacity("draining"));
        return;
    }
  }

  #totalTimeout(request: Request): void {
    const unfinished = request.packets.find(({ stage }) => stage !== "settle");
    assert(unfinished !== undefined, `${request.id} has packets left`);
    const { stage } = unfinished;
    const message = `The request was still in stage ${stage} when total_timeout ran out.`;
    this.#fail(request, { code: "deadline_exceeded", stage, message });
  }

  /** One timer an attempt and none a token: it looks back when it fires, and waits on if there was progress. */
  #watchSilence(attempt: Attempt): void {
    const atUs = silentAtUs(attempt, this.#config.timeouts);
    attempt.silence = this.#timers.set(atUs, { kind: "attempt_silent", attempt });
  }

  #checkSilence(attempt: Attempt): void {
    if (attempt.packet.request.slowClient !== null) attempt.progressUs = this.#nowUs;
    if (silentAtUs(attempt, this.#config.timeouts) > this.#nowUs) return this.#watchSilence(attempt);
    this.#effects.push({ kind: "cancel_attempt", attempt: attempt.id, reason: "silent" });
    const failure = hasUse(attempt)
      ? { reason: "stalled" as const, message: "The worker stopped sending tokens." }
      : { reason: "prefill_timeout" as const, message: "The worker sent no first token in time." };
    this.#attemptFailed(attempt, failure);
  }

  #watchWorker(worker: Worker): void {
    assert(worker.heardUs !== null, `${worker.id} sends heartbeats`);
    const { staleUs, deadUs } = this.#config.heartbeats;
    const silenceUs = worker.status === "stale" ? deadUs : staleUs;
    worker.silence = this.#timers.set(worker.heardUs + silenceUs, { kind: "worker_silent", worker });
  }

  #checkWorker(worker: Worker): void {
    assert(worker.heardUs !== null, `${worker.id} sends heartbeats`);
    const silentUs = this.#nowUs - worker.heardUs;
    if (silentUs >= this.#config.heartbeats.deadUs) return this.#workerLeft(worker.id, "no heartbeat");
    if (silentUs >= this.#config.heartbeats.staleUs && worker.status !== "stale") {
      this.#fleet.setStatus(worker, "stale");
      const change = { worker: worker.id, status: worker.status, reason: "no heartbeat" };
      this.#effects.push({ kind: "worker_changed", ...change });
    }
    this.#watchWorker(worker);
  }

  #after(delayUs: Micros, deadline: Deadline): TimerHandle {
    return this.#timers.set(this.#nowUs + delayUs, deadline);
  }

  #cancelTimer(timer: TimerHandle | null): void {
    if (timer !== null) this.#timers.cancel(timer);
  }

  /** Asks to be woken for the earliest deadline; a wake-up that has become too early does no harm. */
  #keepWakeUp(): void {
    const nextUs = this.#timers.nextUs;
    if (nextUs === null || nextUs >= this.#wakeUs) return;
    this.#wakeUs = nextUs;
    this.#effects.push({ kind: "wake", atUs: nextUs });
  }

  // ── stop ───────────────────────────────────────────────────────────────────────────────

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#after(this.#config.timeouts.drainUs, { kind: "drain" });
    if (this.#requests.size === 0) this.#effects.push({ kind: "drained" });
  }

  // ── shared ─────────────────────────────────────────────────────────────────────────────

  #append(entry: LedgerEntry): void {
    this.#effects.push({ kind: "append_ledger", entry });
  }

  /** Events may cross with our own decisions, so one about a request that is over is ignored. */
  #withRequest(id: string, act: (request: Request) => void): void {
    const request = this.#requests.get(id);
    if (request !== undefined) act(request);
  }

  #withAttempt(id: string, act: (attempt: Attempt) => void): void {
    const attempt = this.#attempts.get(id);
    if (attempt !== undefined) act(attempt);
  }
}
