import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { Sighting, TokensShown } from "../sightings.ts";
import type { Checker, Violate } from "./checker.ts";

interface Answer {
  streamed: boolean;
  /** Of each choice: whose tokens the client was last given. */
  sources: Map<number, string>;
}

interface Stream {
  request: string;
  creditTokens: number;
  arrived: number[];
  shownTokens: number;
  /** What the endpoint said it generated; null until it has finished. */
  generatedTokens: number | null;
}

/**
 * Clients are shown what their endpoint generated: the same tokens in the same order, none
 * twice, none beyond the credit, none after the end, and all of them if the answer is whole.
 */
export class StreamsChecker implements Checker {
  readonly #violate: Violate;
  readonly #answers = new Map<string, Answer>();
  readonly #streams = new Map<string, Stream>();

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived") {
      this.#answers.set(event.request, { streamed: event.streamed, sources: new Map() });
    }
    if (event.kind === "attempt_finished") {
      const stream = this.#streams.get(event.attempt);
      if (stream !== undefined) stream.generatedTokens = event.usage.completionTokens;
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "dispatch") {
        const { attempt, request, creditTokens } = effect;
        const fresh = { arrived: [], shownTokens: 0, generatedTokens: null };
        this.#streams.set(attempt, { request, creditTokens, ...fresh });
      }
    }
  }

  sighting(sighting: Sighting): void {
    switch (sighting.kind) {
      case "tokens_arrived":
        this.#streams.get(sighting.attempt)?.arrived.push(...sighting.tokens);
        return;
      case "tokens_shown":
        return this.#shown(sighting);
      case "answer_ended":
        return this.#ended(sighting);
      case "request_over":
        return this.#forget(sighting.request);
    }
  }

  #shown(sighting: TokensShown): void {
    const { request, choice, attempt, asked, tokens } = sighting;
    const stream = this.#streams.get(attempt);
    const answer = this.#answers.get(request);
    if (stream === undefined || answer === undefined || stream.request !== request) {
      return this.#violate(request, `is shown tokens of ${attempt}, which is not its own or over`);
    }
    const source = answer.sources.get(choice);
    if (answer.streamed && source !== undefined && source !== attempt) {
      this.#violate(request, `is streamed tokens of ${attempt} after some of ${source}`);
    }
    answer.sources.set(choice, attempt);
    if (tokens.length < asked)
      this.#violate(request, `is to be shown ${asked} tokens where ${tokens.length} have come`);
    for (const token of tokens) {
      if (stream.arrived[stream.shownTokens++] !== token) {
        return this.#violate(request, `is shown token ${token} of ${attempt} twice or out of order`);
      }
    }
    if (stream.shownTokens > stream.creditTokens) {
      this.#violate(request, `is shown ${stream.shownTokens} tokens on a credit of ${stream.creditTokens}`);
    }
  }

  #ended({ request, attempt }: Extract<Sighting, { kind: "answer_ended" }>): void {
    const stream = this.#streams.get(attempt);
    if (stream === undefined) return;
    const { shownTokens, creditTokens, generatedTokens } = stream;
    // Without an end from the endpoint it was cut at its credit.
    const wholeTokens = Math.min(generatedTokens ?? creditTokens, creditTokens);
    if (shownTokens !== wholeTokens) {
      this.#violate(request, `ends with ${shownTokens} of the ${wholeTokens} tokens of ${attempt}`);
    }
  }

  #forget(request: string): void {
    this.#answers.delete(request);
    for (const [attempt, stream] of this.#streams) {
      if (stream.request === request) this.#streams.delete(attempt);
    }
  }
}
