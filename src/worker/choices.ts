import type { EndReason, Generation, GenerationEnd, Reader } from "./generation.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import type { FinishReason, GenerationEvent, Usage } from "./wire.ts";

/**
 * The choices of one request: generations of the same prompt that live and end under one id.
 * Their reader gets one stream of events, in which each token says whose it is; with a single
 * choice the stream is that generation's own.
 *
 * ```
 *   started ─▶ tokens, credit (of any choice, in any order) ─▶ finished (as each ends) ─▶ done
 * ```
 */
export class Choices {
  readonly id: string;
  readonly supervisor: string;
  readonly #generations: readonly Generation[];
  readonly #reader: Reader;
  readonly #ends: GenerationEnd[] = [];
  readonly #onEnded: (end: ChoicesEnd) => void;
  readonly #acceptedMs = performance.now();
  #started = false;

  constructor(options: {
    id: string;
    supervisor: string;
    count: number;
    reader: Reader;
    /** Makes the generation of a choice; its `ended` is to be called as each ends. */
    generation: (choice: number, reader: Reader, ended: (end: GenerationEnd) => void) => Generation;
    /** All have ended; the reader has not been told yet. */
    onEnded: (end: ChoicesEnd) => void;
  }) {
    const { id, supervisor, count, reader, generation, onEnded } = options;
    this.id = id;
    this.supervisor = supervisor;
    this.#reader = reader;
    this.#onEnded = onEnded;
    const ended = (end: GenerationEnd): void => this.#ended(end);
    this.#generations =
      count === 1
        ? [generation(0, reader, ended)]
        : Array.from({ length: count }, (_, choice) => generation(choice, this.#readerOf(choice), ended));
  }

  /** Evaluates the prompt and gives nothing out. Rejects when the engine fails. */
  async prefill(): Promise<void> {
    await Promise.all(this.#generations.map((generation) => generation.prefill()));
  }

  /** Runs all to their ends; never rejects. */
  async run(): Promise<void> {
    await Promise.all(this.#generations.map((generation) => generation.run()));
    if (this.#generations.length > 1) this.#tellEnd();
  }

  /** Raises the credit of every choice to `total` tokens; see {@link Generation.grant}. */
  grant(total: number): number {
    const credits = this.#generations.map((generation) => generation.grant(total));
    return Math.max(...credits);
  }

  cancel(): void {
    for (const generation of this.#generations) generation.cancel();
  }

  /** Parks a single generation; see {@link Generation.park}. */
  park(): void {
    for (const generation of this.#generations) generation.park();
  }

  get count(): number {
    return this.#generations.length;
  }

  /** Those that wait for credit or for their reader. */
  get waiting(): number {
    return this.#generations.filter((generation) => generation.isWaiting).length;
  }

  readerReady(): void {
    for (const generation of this.#generations) generation.readerReady();
  }

  #readerOf(choice: number): Reader {
    return {
      take: (event) => {
        switch (event.type) {
          case "started":
            return this.#takeStarted(event);
          case "tokens":
          case "credit":
            return this.#reader.take({ ...event, choice });
          case "done":
            return this.#takeDone(event.finish_reason, choice);
          case "error":
            // Told at the end. An answer that lacks a choice is none: the others need not go on.
            this.cancel();
            return "ready";
          case "finished":
            throw new Error("A single generation does not tell of choices.");
          case "parked":
            throw new Error("Only single choices are parked.");
        }
      },
    };
  }

  #takeStarted(event: GenerationEvent): "ready" | "full" {
    if (this.#started) return "ready";
    this.#started = true;
    return this.#reader.take(event);
  }

  #takeDone(reason: FinishReason, choice: number): "ready" | "full" {
    if (reason !== "stop" && reason !== "length") return "ready";
    return this.#reader.take({ type: "finished", choice, finish_reason: reason });
  }

  #ended(end: GenerationEnd): void {
    this.#ends.push(end);
    if (this.#ends.length === this.#generations.length) this.#onEnded(this.#sumUp());
  }

  #sumUp(): ChoicesEnd {
    const ranUs = Math.round((performance.now() - this.#acceptedMs) * MICROS_PER_MILLI) * this.count;
    return { ...sumUp(this.#ends), ranUs };
  }

  #tellEnd(): void {
    const { finishReason, usage, fault } = this.#sumUp();
    if (finishReason === "error") {
      const message = fault instanceof Error ? fault.message : String(fault);
      this.#reader.take({ type: "error", code: "engine_failed", message });
    } else if (finishReason !== "parked") {
      this.#reader.take({ type: "done", finish_reason: finishReason, usage });
    }
  }
}

export interface ChoicesEnd {
  finishReason: EndReason;
  /** The prompt is counted once. */
  usage: Usage;
  /** Tokens that were generated here. */
  generated: number;
  /** From when it was accepted until the last has ended, each of them, in µs. */
  ranUs: number;
  fault: unknown;
}

/** The reason is that of whatever kept a choice from being complete, or else that of the last. */
function sumUp(ends: readonly GenerationEnd[]): Omit<ChoicesEnd, "ranUs"> {
  const cut =
    ends.find(({ finishReason }) => finishReason === "error") ??
    ends.find(({ finishReason }) => finishReason === "cancelled" || finishReason === "credit_expired");
  const last = ends.at(-1)!;
  return {
    finishReason: (cut ?? last).finishReason,
    usage: {
      ...last.usage,
      completion_tokens: ends.reduce((sum, { usage }) => sum + usage.completion_tokens, 0),
    },
    generated: ends.reduce((sum, { generated }) => sum + generated, 0),
    fault: cut?.fault ?? null,
  };
}
