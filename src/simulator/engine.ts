import type { TokenUsage } from "../core/vocabulary.ts";
import type { EngineSpec } from "./scenario.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What an endpoint says about one attempt, in this order: started, output …, then finished or failed. */
export type EngineMessage =
  | { kind: "started"; promptTokens: number; cachedTokens: number }
  | { kind: "output"; tokens: number[] }
  | { kind: "finished"; finishReason: string; usage: TokenUsage };

/** One generation under way. */
export interface Sequence {
  readonly attempt: string;
  readonly model: string;
  /** Sequences of its model that may run at the same time. */
  readonly slots: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens it will generate before it ends by itself, and why it ends there. */
  readonly answerTokens: number;
  readonly finishReason: string;
  readonly hangsInPrefill: boolean;
  /** After how many tokens it stops generating without a word; Infinity when it does not. */
  readonly stallsAtTokens: number;
  readonly kvBytes: number;
  /** The next token it will generate; every token of a simulation is a number of its own. */
  nextToken: number;
  unreadTokens: number;
  generatedTokens: number;
  isPaused: boolean;
  readonly send: (message: EngineMessage) => void;
}

/**
 * Continuous batching in its simplest form. In each step every sequence either reads the next
 * chunk of its prompt or generates a burst of tokens, and the step takes as long as all of
 * that costs together.
 */
export class Engine {
  readonly #spec: EngineSpec;
  readonly #time: VirtualTime;
  readonly #sequences = new Map<string, Sequence>();
  #callOff: (() => void) | null = null;

  constructor(spec: EngineSpec, time: VirtualTime) {
    this.#spec = spec;
    this.#time = time;
  }

  get running(): number {
    return this.#sequences.size;
  }

  get sequences(): Iterable<Sequence> {
    return this.#sequences.values();
  }

  get kvBytes(): number {
    let bytes = 0;
    for (const sequence of this.#sequences.values()) bytes += sequence.kvBytes;
    return bytes;
  }

  start(sequence: Sequence): void {
    this.#sequences.set(sequence.attempt, sequence);
    this.#keepStepping();
  }

  stop(attempt: string): boolean {
    return this.#sequences.delete(attempt);
  }

  pause(attempt: string): void {
    const sequence = this.#sequences.get(attempt);
    if (sequence !== undefined) sequence.isPaused = true;
  }

  resume(attempt: string): void {
    const sequence = this.#sequences.get(attempt);
    if (sequence === undefined) return;
    sequence.isPaused = false;
    this.#keepStepping();
  }

  /** Power off: nothing that was running says anything any more. */
  clear(): void {
    this.#sequences.clear();
    this.#callOff?.();
    this.#callOff = null;
  }

  /** Plans the end of the next step; what joins meanwhile waits for the one after it. */
  #keepStepping(): void {
    if (this.#callOff !== null) return;
    const { stepUs, sequenceUs, prefillChunkTokens, prefillTokenUs, burstTokens } = this.#spec;
    const batch = [...this.#sequences.values()].filter(isActive);
    if (batch.length === 0) return;
    let durationUs = stepUs;
    for (const { unreadTokens } of batch) {
      durationUs +=
        unreadTokens > 0
          ? Math.min(unreadTokens, prefillChunkTokens) * prefillTokenUs
          : sequenceUs * burstTokens;
    }
    this.#callOff = this.#time.after(durationUs, () => {
      this.#callOff = null;
      for (const sequence of batch) this.#advance(sequence);
      this.#keepStepping();
    });
  }

  #advance(sequence: Sequence): void {
    // It may have been stopped during the step.
    if (this.#sequences.get(sequence.attempt) !== sequence) return;
    if (sequence.unreadTokens > 0) this.#read(sequence);
    else this.#generate(sequence);
  }

  #read(sequence: Sequence): void {
    const { promptTokens, cachedTokens } = sequence;
    sequence.unreadTokens = Math.max(0, sequence.unreadTokens - this.#spec.prefillChunkTokens);
    if (sequence.unreadTokens === 0) sequence.send({ kind: "started", promptTokens, cachedTokens });
  }

  #generate(sequence: Sequence): void {
    const { promptTokens, cachedTokens, answerTokens, finishReason, stallsAtTokens } = sequence;
    const end = Math.min(answerTokens, stallsAtTokens, sequence.generatedTokens + this.#spec.burstTokens);
    const tokens: number[] = [];
    while (sequence.generatedTokens < end) {
      tokens.push(sequence.nextToken++);
      sequence.generatedTokens++;
    }
    if (tokens.length > 0) sequence.send({ kind: "output", tokens });
    if (sequence.generatedTokens < answerTokens) return;
    this.#sequences.delete(sequence.attempt);
    const usage = { promptTokens, cachedTokens, completionTokens: answerTokens };
    sequence.send({ kind: "finished", finishReason, usage });
  }
}

function isActive(sequence: Sequence): boolean {
  if (sequence.isPaused) return false;
  if (sequence.unreadTokens > 0) return !sequence.hangsInPrefill;
  return sequence.generatedTokens < sequence.stallsAtTokens;
}
