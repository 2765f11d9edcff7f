import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";

/** Why attempts are cancelled that have failed because of their worker. */
const LOST: ReadonlySet<string> = new Set(["worker_lost", "stalled"]);

/** Of one packet. */
interface Tried {
  /** Lives of endpoints that it was sent to, with the attempt. */
  lives: Map<string, string>;
  /** Attempts that have failed, since the answer has last gone on elsewhere. */
  failures: number;
  /** Tokens that were relayed. */
  tokens: number;
}

/**
 * A packet is tried on no life of an endpoint twice and not more often than retries allow; where a client has been
 * shown tokens, another attempt goes on behind the last of them or there is none; and in the end no engine runs what
 * the supervisor has given up.
 */
export class AttemptsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #streamed = new Set<string>();
  readonly #tried = new Map<string, Tried>();
  /** By request. */
  readonly #packets = new Map<string, Set<string>>();
  /** Of workers, as they were last believed. */
  readonly #epochs = new Map<string, string>();
  #report: HeartbeatReceived | null = null;

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#report = event.kind === "heartbeat_received" ? event : null;
    if (event.kind === "request_arrived" && event.streamed) this.#streamed.add(event.request);
    if (event.kind !== "attempt_failed") return;
    // An endpoint that was full has not failed the packet and may be asked again.
    if (event.reason === "at_capacity") this.#turnedAway(event.attempt);
    else this.#failed(event.attempt);
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
          this.#of(packetOf(effect.attempt)).tokens += effect.tokens;
          break;
        case "cancel_attempt":
          if (effect.reason === "silent" || LOST.has(effect.reason)) this.#failed(effect.attempt);
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
    const life = `${worker}/${model}@${this.#epochs.get(worker) ?? ""}`;
    if (resume === null && tried.lives.has(life))
      this.#violate(request, `${packet} is sent to ${life} again`);
    if (tried.failures > this.#config.retriesMax) this.#violate(request, `${packet} is tried too often`);
    if (resume === null && tried.tokens > 0 && this.#streamed.has(request)) {
      this.#violate(request, `${packet} is tried again after tokens of it were shown`);
    }
    if (resume !== null && resume.tokens !== tried.tokens) {
      this.#violate(request, `${packet} goes on from token ${resume.tokens}, and ${tried.tokens} were shown`);
    }
    // A buffered answer that begins again has shown nothing.
    if (resume === null) tried.tokens = 0;
    tried.lives.set(life, attempt);
  }

  #failed(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    if (tried !== undefined) tried.failures++;
  }

  #turnedAway(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    for (const [life, latest] of tried?.lives ?? []) if (latest === attempt) tried!.lives.delete(life);
  }

  #of(packet: string): Tried {
    let tried = this.#tried.get(packet);
    if (tried === undefined) {
      this.#tried.set(packet, (tried = { lives: new Map(), failures: 0, tokens: 0 }));
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
