import type { Dispatch, Effect, Resume } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { TokenRange } from "../engine/generation.ts";
import { requestOf } from "../ids.ts";
import type { Sighting, TokensShown } from "../sightings.ts";
import type { Checker, Violate } from "./checker.ts";

interface Answer {
  streamed: boolean;
  choices: Map<number, Shown>;
}

/** What the client has of one choice. */
interface Shown {
  /** Whose tokens it was given last. */
  source: string;
  /** Attempts that have gone on with each other's. */
  sources: Set<string>;
  /** The number of the token that comes next: each follows the one before it, whoever has generated it. */
  nextToken: number | null;
}

interface Source {
  request: string;
  /** For each of its streams: what it was given, and each time it was given more. */
  credits: number[];
  /** By the client's choice. */
  streams: Map<number, Stream>;
  /** The first of the client's choices. */
  choice: number;
  isFinished: boolean;
  /** It has failed, and another may go on with what it has come to. */
  isBroken: boolean;
}

interface Stream {
  /** Not shown yet. */
  arrived: TokenRange[];
  arrivedTokens: number;
  shownTokens: number;
  /** Its credit when its endpoint went beyond that; null for one that has not. */
  cutTokens: number | null;
  /** The endpoint has said that it is complete. */
  isFinished: boolean;
}

/**
 * Clients are shown what their endpoints generated: the same tokens in the same order, none
 * twice, none beyond the credit, none after the end, and all of them if the answer is whole. An answer that goes on
 * elsewhere goes on with the very token that comes next, so all of it is that of one model: tokens 0 to n − 1.
 */
export class StreamsChecker implements Checker {
  readonly #violate: Violate;
  readonly #answers = new Map<string, Answer>();
  readonly #sources = new Map<string, Source>();

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived") {
      this.#answers.set(event.request, { streamed: event.streamed, choices: new Map() });
    }
    if (event.kind === "attempt_failed") this.#breaks(event.attempt);
    if (event.kind === "choice_finished") {
      const source = this.#sources.get(event.attempt);
      if (source !== undefined) streamOf(source, source.choice + event.choice).isFinished = true;
    }
    if (event.kind === "attempt_finished") {
      const source = this.#sources.get(event.attempt);
      if (source !== undefined) source.isFinished = true;
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "dispatch") {
        const { attempt, request, choice, creditTokens, resume } = effect;
        const fresh = { streams: new Map<number, Stream>(), isFinished: false, isBroken: false };
        this.#sources.set(attempt, { request, choice, credits: [creditTokens], ...fresh });
        if (resume !== null) this.#goesOn(effect, resume);
      }
      if (effect.kind === "cancel_attempt") this.#breaks(effect.attempt);
      if (effect.kind === "grant_credit") {
        const source = this.#sources.get(effect.attempt);
        if (source === undefined || effect.creditTokens <= creditOf(source)) {
          this.#violate(requestOf(effect.attempt), `${effect.attempt} is granted what it has already`);
        } else source.credits.push(effect.creditTokens);
      }
    }
  }

  #breaks(attempt: string): void {
    const source = this.#sources.get(attempt);
    if (source !== undefined) source.isBroken = true;
  }

  sighting(sighting: Sighting): void {
    switch (sighting.kind) {
      case "tokens_arrived": {
        const source = this.#sources.get(sighting.attempt);
        if (source === undefined) return;
        const stream = streamOf(source, source.choice + sighting.choice);
        stream.arrived.push({ ...sighting.tokens });
        stream.arrivedTokens += sighting.tokens.count;
        if (stream.arrivedTokens > creditOf(source)) stream.cutTokens ??= creditOf(source);
        return;
      }
      case "tokens_shown":
        return this.#shown(sighting);
      case "answer_ended":
        return this.#ended(sighting);
      case "request_over":
        return this.#forget(sighting.request);
      default:
    }
  }

  /** The client has what came before; what comes now belongs behind it. */
  #goesOn({ attempt, request, choice }: Dispatch, resume: Resume): void {
    const stream = streamOf(this.#sources.get(attempt)!, choice);
    // Should the one that goes on fail, that is as far as the answer has come.
    this.#breaks(resume.attempt);
    stream.arrivedTokens = resume.tokens;
    stream.shownTokens = resume.tokens;
    const shown = this.#answers.get(request)?.choices.get(choice);
    if (shown?.sources.has(resume.attempt) !== true) return;
    shown.source = attempt;
    shown.sources.add(attempt);
  }

  #shown(sighting: TokensShown): void {
    const { request, choice, attempt, asked, tokens } = sighting;
    const source = this.#sources.get(attempt);
    const answer = this.#answers.get(request);
    if (source === undefined || answer === undefined || source.request !== request) {
      return this.#violate(request, `is shown tokens of ${attempt}, which is not its own or over`);
    }
    const before = answer.choices.get(choice);
    const isAnother = before?.source !== attempt;
    if (answer.streamed && before !== undefined && isAnother) {
      this.#violate(request, `is streamed tokens of ${attempt} after some of ${before.source}`);
    }
    const fresh = { source: attempt, sources: new Set([attempt]), nextToken: null };
    const shown = before === undefined || isAnother ? fresh : before;
    answer.choices.set(choice, shown);
    this.#checkOrder(request, shown, tokens);
    const given = tokens.reduce((sum, { count }) => sum + count, 0);
    if (given < asked) this.#violate(request, `is to be shown ${asked} tokens where ${given} have come`);
    const stream = streamOf(source, choice);
    stream.shownTokens += given;
    for (const range of tokens) {
      if (take(stream.arrived, range)) continue;
      return this.#violate(request, `is shown token ${range.first} of ${attempt} twice or out of order`);
    }
    if (stream.shownTokens > creditOf(source)) {
      this.#violate(request, `is shown ${stream.shownTokens} tokens on a credit of ${creditOf(source)}`);
    }
  }

  #checkOrder(request: string, shown: Shown, tokens: readonly TokenRange[]): void {
    for (const { first, count } of tokens) {
      const { nextToken, source } = shown;
      if (nextToken !== null && first !== nextToken) {
        this.#violate(request, `is shown token ${first} of ${source} where ${nextToken} comes next`);
      }
      shown.nextToken = first + count;
    }
  }

  #ended({ request, choice, attempt }: Extract<Sighting, { kind: "answer_ended" }>): void {
    const source = this.#sources.get(attempt);
    if (source === undefined) return;
    const { shownTokens, arrivedTokens, cutTokens, isFinished } = streamOf(source, choice);
    // One that could not go on elsewhere is as long as it was.
    const isWhole = isFinished || source.isFinished || source.isBroken;
    // Without an end from the endpoint it was cut where its credit ended at that time.
    const expected = cutTokens !== null ? [cutTokens] : isWhole ? [arrivedTokens] : source.credits;
    if (!expected.includes(shownTokens)) {
      this.#violate(request, `ends with ${shownTokens} of the ${expected.join(" or ")} tokens of ${attempt}`);
    }
  }

  #forget(request: string): void {
    this.#answers.delete(request);
    for (const [attempt, source] of this.#sources) {
      if (source.request === request) this.#sources.delete(attempt);
    }
  }
}

function creditOf({ credits }: Source): number {
  return credits.at(-1)!;
}

function streamOf({ streams }: Source, choice: number): Stream {
  let stream = streams.get(choice);
  if (stream === undefined) {
    const fresh = { arrived: [], arrivedTokens: 0, shownTokens: 0 };
    streams.set(choice, (stream = { ...fresh, cutTokens: null, isFinished: false }));
  }
  return stream;
}

/** Takes the range from the front of those that have arrived; false where it is not what comes next. */
function take(arrived: TokenRange[], { first, count }: TokenRange): boolean {
  const [next] = arrived;
  if (next === undefined || next.first !== first || next.count < count) return false;
  next.first += count;
  next.count -= count;
  if (next.count === 0) arrived.shift();
  return true;
}
