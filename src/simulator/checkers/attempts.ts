import type { Dispatch, Effect, Relay } from "../../core/effects.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { answerOf, packetOf, requestOf } from "../ids.ts";
import { type Checker, type EndOfWorld, isEnd, type Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";

/** Why attempts are cancelled that have failed because of their worker. */
const LOST: ReadonlySet<string> = new Set(["worker_lost", "stalled"]);

/** An answer does not wander for ever. */
const LIVES_MAX = 16;

/** Of one packet. */
interface Tried {
  /** Lives of endpoints that have failed it. */
  failedOn: Set<string>;
  beenTo: Set<string>;
  /** Where it runs, or ran last. */
  latest: { attempt: string; life: string };
  isRunning: boolean;
  isBegun: boolean;
  /** Attempts that have failed, since the answer has last gone on elsewhere. */
  failures: number;
  /** Tokens that were relayed, and how many of those the latest attempt began with. */
  tokens: number;
  begunTokens: number;
  /** Of the worker that began the answer. */
  modelHash: string | null;
  /** It was told that its prompt is too long for an endpoint. */
  isTooLong: boolean;
}

/**
 * A packet is never sent to a life of an endpoint that has failed it, and not more often than retries allow; where a
 * client has been shown tokens, another attempt goes on behind the last of them or there is none; and in the end no
 * engine runs what the supervisor has given up.
 */
export class AttemptsChecker implements Checker {
  readonly #knowledge: Knowledge;
  readonly #violate: Violate;
  readonly #streamed = new Set<string>();
  readonly #tried = new Map<string, Tried>();
  /** By request. */
  readonly #packets = new Map<string, Set<string>>();
  /** Of workers, as they were last believed. */
  readonly #epochs = new Map<string, string>();
  #report: HeartbeatReceived | null = null;

  constructor(knowledge: Knowledge, violate: Violate) {
    this.#knowledge = knowledge;
    this.#violate = violate;
  }

  /** Attempts at the packet that have failed, perhaps some more than count. */
  failuresOf(packet: string): number {
    return this.#tried.get(packet)?.failures ?? 0;
  }

  /** Whether a packet that has been tried before, or races with one, may go to that endpoint as it is now. */
  mayGoTo(packet: string, endpoint: { worker: string; model: string }): boolean {
    const tried = this.#tried.get(packet);
    const life = this.#lifeOf(endpoint);
    if (this.#isRivals(packet, life)) return false;
    if (tried === undefined) return true;
    if (tried.isTooLong || tried.failedOn.has(life)) return false;
    return this.#hashOf(endpoint) === tried.modelHash;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#report = event.kind === "heartbeat_received" ? event : null;
    if (event.kind === "request_arrived" && event.streamed) this.#streamed.add(event.request);
    if (event.kind === "attempt_parked") this.#parked(event.attempt);
    // An endpoint that was full has not failed the packet and may be asked again.
    if (event.kind === "attempt_failed" && event.reason !== "at_capacity") this.#failed(event.attempt);
    if (isEnd(event)) this.#ended(event.attempt);
    if (event.kind !== "attempt_failed" || event.reason !== "context_length_exceeded") return;
    const tried = this.#tried.get(packetOf(event.attempt));
    if (tried !== undefined) tried.isTooLong = true;
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "answer_heartbeat":
          if (effect.refusal === null && this.#report !== null) {
            this.#epochs.set(this.#report.worker, this.#report.epoch);
          }
          break;
        case "dispatch":
          this.#dispatch(effect);
          break;
        case "relay":
          this.#relayed(effect);
          break;
        case "cancel_attempt":
          if (effect.reason === "silent" || LOST.has(effect.reason)) this.#failed(effect.attempt);
          this.#ended(effect.attempt);
          break;
        case "request_settled":
          this.#forget(effect.record.request);
          break;
        default:
      }
    }
  }

  end({ running }: EndOfWorld): void {
    for (const attempt of running) this.#violate(requestOf(attempt), `${attempt} still runs on its worker`);
  }

  #dispatch({ request, attempt, worker, model, resume }: Dispatch): void {
    const packet = packetOf(attempt);
    const tried = this.#of(packet);
    const life = this.#lifeOf({ worker, model });
    for (const other of this.#packets.get(request) ?? []) {
      const rival = this.#tried.get(other)!;
      const isRace = other !== packet && answerOf(other) === answerOf(packet) && rival.isRunning;
      if (isRace && rival.latest.life === life)
        this.#violate(request, `${packet} races at ${life} with ${other}`);
    }
    if (tried.failedOn.has(life)) this.#violate(request, `${packet} is sent to ${life} again`);
    if (tried.failedOn.size >= LIVES_MAX) this.#violate(request, `${packet} wanders without end`);
    // What has come forward under way counts as a beginning.
    const hasMoved = resume?.attempt === tried.latest.attempt && tried.tokens > tried.begunTokens;
    if (hasMoved) tried.failures = Math.min(1, tried.failures);
    if (tried.failures > this.#knowledge.config.retriesMax)
      this.#violate(request, `${packet} is tried too often`);
    if (resume === null && tried.tokens > 0 && this.#streamed.has(request)) {
      this.#violate(request, `${packet} is tried again after tokens of it were shown`);
    }
    if (resume !== null && resume.tokens !== tried.tokens) {
      this.#violate(request, `${packet} goes on from token ${resume.tokens}, and ${tried.tokens} were shown`);
    }
    const hash = this.#hashOf({ worker, model });
    if (resume === null) tried.modelHash = hash;
    else if (tried.modelHash !== hash)
      this.#violate(request, `${packet} goes on with another model at ${life}`);
    // A buffered answer that begins again has shown nothing.
    if (resume === null) tried.tokens = 0;
    tried.isRunning = true;
    tried.begunTokens = tried.tokens;
    tried.latest = { attempt, life };
    tried.beenTo.add(life);
  }

  #lifeOf({ worker, model }: { worker: string; model: string }): string {
    return `${worker}/${model}@${this.#epochs.get(worker) ?? ""}`;
  }

  #hashOf({ worker, model }: { worker: string; model: string }): string | null {
    const served = this.#knowledge.workers.get(worker)?.models.find((each) => each.model === model);
    return served?.modelHash ?? null;
  }

  #relayed({ attempt, tokens }: Relay): void {
    this.#of(packetOf(attempt)).tokens += tokens;
  }

  /** Whether another packet for the same answer has been there: a hedge does not go where the first had been. */
  #isRivals(packet: string, life: string): boolean {
    for (const other of this.#packets.get(requestOf(packet)) ?? []) {
      if (other === packet || answerOf(other) !== answerOf(packet)) continue;
      if (this.#tried.get(other)!.beenTo.has(life)) return true;
    }
    return false;
  }

  /** Whether the packet goes on with an answer that others have begun. */
  isBegun(packet: string): boolean {
    return this.#tried.get(packet)?.isBegun ?? false;
  }

  /** It has done what it was asked to: what failed before does not count any more. */
  #parked(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    if (tried?.latest.attempt === attempt) Object.assign(tried, { failures: 0, isBegun: true });
  }

  #ended(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    if (tried?.latest.attempt === attempt) tried.isRunning = false;
  }

  #failed(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    // Its failure may cross with ours to wait for it: it has failed once.
    if (tried?.latest.attempt !== attempt || !tried.isRunning) return;
    tried.failures++;
    if (tried.tokens > tried.begunTokens) tried.isBegun = true;
    tried.failedOn.add(tried.latest.life);
  }

  #of(packet: string): Tried {
    let tried = this.#tried.get(packet);
    if (tried === undefined) {
      const fresh = {
        failures: 0,
        tokens: 0,
        begunTokens: 0,
        modelHash: null,
        isTooLong: false,
        isRunning: false,
        isBegun: false,
      };
      const nowhere = { failedOn: new Set<string>(), beenTo: new Set<string>() };
      this.#tried.set(packet, (tried = { ...nowhere, latest: { attempt: "", life: "" }, ...fresh }));
      const request = requestOf(packet);
      const packets = this.#packets.get(request);
      if (packets === undefined) this.#packets.set(request, new Set([packet]));
      else packets.add(packet);
    }
    return tried;
  }

  #forget(request: string): void {
    for (const packet of this.#packets.get(request) ?? []) this.#tried.delete(packet);
    this.#packets.delete(request);
    this.#streamed.delete(request);
  }
}
