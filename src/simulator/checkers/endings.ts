import type { CoreConfig } from "../../core/config.ts";
import type { Effect, RequestSettled } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf } from "../ids.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";

interface Watched {
  arrivedUs: Micros;
  choices: number;
  answered: Set<number>;
  /** By choice, answers that the latest attempt at it gives: a remote endpoint mixes its choices into one. */
  expected: Map<number, number>;
  /** How the client was told, or that it is gone; null while it waits. */
  ended: "finished" | "failed" | "dropped" | "gone" | null;
}

/** Every request ends once, in one way, in time, and its record says the same. */
export class EndingsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #remotes: ReadonlySet<string>;
  readonly #requests = new Map<string, Watched>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
    this.#remotes = new Set(config.remotes.map(({ name }) => name));
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived") {
      const { request, choices } = event;
      const fresh = { answered: new Set<number>(), expected: new Map<number, number>(), ended: null };
      this.#requests.set(request, { arrivedUs: nowUs, choices, ...fresh });
    }
    if (event.kind === "client_gone") {
      const watched = this.#requests.get(event.request);
      if (watched !== undefined) watched.ended = "gone";
    }
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "dispatch": {
          const answers = this.#remotes.has(effect.worker) ? 1 : effect.choices;
          this.#requests.get(effect.request)?.expected.set(choiceOf(effect.attempt), answers);
          break;
        }
        case "finish_answer":
          this.#answer(effect.request, effect.choice);
          break;
        case "finish_request":
          this.#end(effect.request, "finished");
          break;
        case "fail_request":
          this.#end(effect.request, "failed");
          break;
        case "drop_client":
          this.#end(effect.request, "dropped");
          break;
        case "request_settled":
          this.#settle(nowUs, effect);
          break;
        default:
      }
    }
  }

  end({ nowUs }: EndOfWorld): void {
    for (const [request, { arrivedUs }] of this.#requests) {
      this.#violate(request, `has not ended after ${(nowUs - arrivedUs) / 1e6} s`);
    }
  }

  #answer(request: string, choice: number): void {
    const watched = this.#requests.get(request);
    if (watched === undefined || watched.ended !== null) {
      return this.#violate(request, `choice ${choice} is answered after the end`);
    }
    if (watched.answered.has(choice)) this.#violate(request, `choice ${choice} is answered twice`);
    watched.answered.add(choice);
  }

  #end(request: string, how: NonNullable<Watched["ended"]>): void {
    const watched = this.#requests.get(request);
    if (watched === undefined) return this.#violate(request, `is ${how} after it was settled`);
    if (watched.ended !== null) this.#violate(request, `is ${how} after it was ${watched.ended}`);
    watched.ended = how;
  }

  #settle(nowUs: Micros, { record }: RequestSettled): void {
    const { request, outcome } = record;
    const watched = this.#requests.get(request);
    if (watched === undefined) return this.#violate(request, "is settled twice");
    this.#requests.delete(request);
    const expected = { completed: "finished", failed: "failed", dropped: "dropped", abandoned: "gone" }[
      outcome
    ];
    if (watched.ended !== expected) {
      this.#violate(
        request,
        `is recorded as ${outcome}, but its client was ${watched.ended ?? "told nothing"}`,
      );
    }
    const expectedAnswers = [...watched.expected.values()].reduce((sum, answers) => sum + answers, 0);
    if (outcome === "completed" && watched.answered.size !== expectedAnswers) {
      const answered = `${watched.answered.size} of ${expectedAnswers} answers`;
      this.#violate(request, `is complete with ${answered} to ${watched.choices} choices`);
    }
    if (nowUs - watched.arrivedUs > this.#config.timeouts.totalUs) {
      this.#violate(request, `took ${(nowUs - watched.arrivedUs) / 1e6} s, more than total_timeout`);
    }
  }
}
