import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";

/**
 * A packet is tried on no endpoint twice and not more often than retries allow; a client that
 * has been streamed tokens gets no other attempt; and in the end no engine runs what the
 * supervisor has given up.
 */
export class AttemptsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #streamed = new Set<string>();
  readonly #choices = new Map<string, number>();
  /** Endpoints that each packet was sent to, with the attempt. */
  readonly #tried = new Map<string, Map<string, string>>();
  /** Packets of which tokens were relayed. */
  readonly #relayed = new Set<string>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived") this.#choices.set(event.request, event.choices);
    if (event.kind === "request_arrived" && event.streamed) this.#streamed.add(event.request);
    // An endpoint that was full has not failed the packet and may be asked again.
    if (event.kind === "attempt_failed" && event.reason === "at_capacity") this.#turnedAway(event.attempt);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "dispatch") this.#dispatch(effect);
      if (effect.kind === "relay") this.#relayed.add(packetOf(effect.attempt));
      if (effect.kind === "request_settled") this.#forget(effect.record.request);
    }
  }

  end({ running }: EndOfWorld): void {
    for (const attempt of running) this.#violate(requestOf(attempt), `${attempt} still runs on its worker`);
  }

  #dispatch({ request, attempt, worker, model }: Dispatch): void {
    const packet = packetOf(attempt);
    const endpoint = `${worker}/${model}`;
    let tried = this.#tried.get(packet);
    if (tried === undefined) this.#tried.set(packet, (tried = new Map()));
    if (tried.has(endpoint)) this.#violate(request, `${packet} is sent to ${endpoint} again`);
    if (tried.size > this.#config.retriesMax) this.#violate(request, `${packet} is tried too often`);
    if (this.#relayed.has(packet) && this.#streamed.has(request)) {
      this.#violate(request, `${packet} is tried again after tokens of it were shown`);
    }
    tried.set(endpoint, attempt);
  }

  #turnedAway(attempt: string): void {
    const tried = this.#tried.get(packetOf(attempt));
    for (const [endpoint, latest] of tried ?? []) if (latest === attempt) tried!.delete(endpoint);
  }

  #forget(request: string): void {
    const choices = this.#choices.get(request) ?? 0;
    for (let choice = 0; choice < choices; choice++) {
      this.#tried.delete(`${request}/${choice}`);
      this.#relayed.delete(`${request}/${choice}`);
    }
    this.#streamed.delete(request);
    this.#choices.delete(request);
  }
}
