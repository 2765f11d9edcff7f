import type { TokenUsage } from "../core/vocabulary.ts";
import type { EngineSpec } from "./scenario.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What an endpoint says about one attempt, in this order: started, output and choices finished …, then finished or failed. */
export type EngineMessage =
  | { kind: "started"; promptTokens: number; cachedTokens: number }
  | { kind: "output"; choice: number; tokens: number[] }
  | { kind: "choice_finished"; choice: number; finishReason: string }
  | { kind: "finished"; finishReason: string; usage: TokenUsage };

/** One attempt under way: a prompt, and the answers that grow from it. */
export interface Generation {
  readonly attempt: string;
  readonly model: string;
  /** Places of its model, and how many of them it takes. */
  readonly slots: number;
  readonly places: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly streams: readonly Stream[];
  readonly hangsInPrefill: boolean;
  readonly kvBytes: number;
  /** What each stream may come to before it needs more credit, and whether the engine stops there. */
  creditTokens: number;
  readonly stopsAtCredit: boolean;
  /** Tokens that are billed and were never generated. */
  readonly overbilledTokens: number;
  unreadTokens: number;
  isPaused: boolean;
  readonly send: (message: EngineMessage) => void;
}

/** One answer in the making. */
export interface Stream {
  /** Tokens after which it ends by itself, and why it ends there. */
  readonly endsAtTokens: number;
  readonly finishReason: string;
  /** After how many tokens it stops without a word; Infinity when it does not. */
  readonly stallsAtTokens: number;
  /** How far it goes beyond its credit. */
  readonly overrunTokens: number;
  /** Steps that it begins after the prompt was read: choices are made from it one after the other. */
  waitSteps: number;
  /** The next token it will generate; every token of a simulation is a number of its own. */
  nextToken: number;
  generatedTokens: number;
}

/**
 * Continuous batching in its simplest form. In each step every generation either reads the next
 * chunk of its prompt or gets a burst of tokens for each of its streams, and the step takes as long
 * as all of that costs together.
 */
export class Engine {
  readonly #spec: EngineSpec;
  readonly #time: VirtualTime;
  readonly #generations = new Map<string, Generation>();
  #callOff: (() => void) | null = null;

  constructor(spec: EngineSpec, time: VirtualTime) {
    this.#spec = spec;
    this.#time = time;
  }

  get generations(): Iterable<Generation> {
    return this.#generations.values();
  }

  /** Places taken. */
  get running(): number {
    let places = 0;
    for (const generation of this.#generations.values()) places += generation.places;
    return places;
  }

  get kvBytes(): number {
    let bytes = 0;
    for (const { kvBytes } of this.#generations.values()) bytes += kvBytes;
    return bytes;
  }

  start(generation: Generation): void {
    this.#generations.set(generation.attempt, generation);
    this.#keepStepping();
  }

  /** Each stream may go on up to that many tokens; a grant that was overtaken by a later one changes nothing. */
  grant(attempt: string, creditTokens: number): void {
    const generation = this.#generations.get(attempt);
    if (generation === undefined) return;
    generation.creditTokens = Math.max(generation.creditTokens, creditTokens);
    this.#keepStepping();
  }

  /** Returns what was stopped; undefined when it had ended before. */
  stop(attempt: string): Generation | undefined {
    const generation = this.#generations.get(attempt);
    this.#generations.delete(attempt);
    return generation;
  }

  pause(attempt: string): void {
    const generation = this.#generations.get(attempt);
    if (generation !== undefined) generation.isPaused = true;
  }

  resume(attempt: string): void {
    const generation = this.#generations.get(attempt);
    if (generation === undefined) return;
    generation.isPaused = false;
    this.#keepStepping();
  }

  /** Power off: nothing that was running says anything any more. */
  clear(): void {
    this.#generations.clear();
    this.#callOff?.();
    this.#callOff = null;
  }

  /** Plans the end of the next step; what joins meanwhile waits for the one after it. */
  #keepStepping(): void {
    if (this.#callOff !== null) return;
    const { stepUs, sequenceUs, prefillChunkTokens, prefillTokenUs, burstTokens } = this.#spec;
    const batch = [...this.#generations.values()].filter(isActive);
    if (batch.length === 0) return;
    let durationUs = stepUs;
    for (const { unreadTokens, places } of batch) {
      durationUs +=
        unreadTokens > 0
          ? Math.min(unreadTokens, prefillChunkTokens) * prefillTokenUs
          : sequenceUs * burstTokens * places;
    }
    this.#callOff = this.#time.after(durationUs, () => {
      this.#callOff = null;
      for (const generation of batch) this.#advance(generation);
      this.#keepStepping();
    });
  }

  #advance(generation: Generation): void {
    // It may have been stopped during the step.
    if (this.#generations.get(generation.attempt) !== generation) return;
    if (generation.unreadTokens > 0) this.#read(generation);
    else for (const choice of generation.streams.keys()) this.#generate(generation, choice);
  }

  #read(generation: Generation): void {
    const { promptTokens, cachedTokens } = generation;
    generation.unreadTokens = Math.max(0, generation.unreadTokens - this.#spec.prefillChunkTokens);
    if (generation.unreadTokens === 0) generation.send({ kind: "started", promptTokens, cachedTokens });
  }

  #generate(generation: Generation, choice: number): void {
    const stream = generation.streams[choice]!;
    if (isEnded(stream) || stream.waitSteps-- > 0) return;
    const end = Math.min(reach(generation, stream), stream.generatedTokens + this.#spec.burstTokens);
    const tokens: number[] = [];
    while (stream.generatedTokens < end) {
      tokens.push(stream.nextToken++);
      stream.generatedTokens++;
    }
    if (tokens.length > 0) generation.send({ kind: "output", choice, tokens });
    if (!isEnded(stream)) return;
    const { finishReason } = stream;
    if (!generation.streams.every(isEnded)) {
      return generation.send({ kind: "choice_finished", choice, finishReason });
    }
    this.#generations.delete(generation.attempt);
    generation.send({ kind: "finished", finishReason, usage: usageOf(generation) });
  }
}

/** What a generation has come to, in tokens of output. */
export function generatedTokens({ streams }: Generation): number {
  return streams.reduce((sum, stream) => sum + stream.generatedTokens, 0);
}

export function usageOf(generation: Generation): TokenUsage {
  const { promptTokens, cachedTokens, overbilledTokens } = generation;
  return { promptTokens, cachedTokens, completionTokens: generatedTokens(generation) + overbilledTokens };
}

function isEnded({ generatedTokens: generated, endsAtTokens }: Stream): boolean {
  return generated >= endsAtTokens;
}

/** Tokens that the stream can come to as things are. */
function reach({ stopsAtCredit, creditTokens }: Generation, stream: Stream): number {
  const { endsAtTokens, stallsAtTokens, overrunTokens } = stream;
  return Math.min(endsAtTokens, stallsAtTokens, stopsAtCredit ? creditTokens + overrunTokens : Infinity);
}

function isActive(generation: Generation): boolean {
  if (generation.isPaused) return false;
  if (generation.unreadTokens > 0) return !generation.hangsInPrefill;
  return generation.streams.some((stream) => stream.generatedTokens < reach(generation, stream));
}
