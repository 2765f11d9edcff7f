import { type Micros, MICROS_PER_SECOND } from "../../core/units.ts";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import type { Generation, Stream } from "./generation.ts";
import { stepUs } from "./step-time.ts";
import { isGrowing, type Task } from "./task.ts";

/** Part of a prompt that is read in one step. */
export interface Chunk {
  task: Task;
  tokens: number;
  /** The last token of a prompt, where the engine reads that as it reads one of an answer. */
  isDecoded: boolean;
}

interface StreamOf {
  task: Task;
  stream: Stream;
}

/**
 * Steps in which the same sequences each get a token, and a chunk of the same length is read. What is known of them
 * is when each ends: to the microsecond, as durations are rounded one by one.
 */
export class Run {
  readonly chunks: readonly Chunk[];
  /** Those that generate, with the streams of theirs that get a token in each step, and those whose turn is yet to come. */
  readonly tasks: readonly Task[];
  readonly growing: StreamOf[] = [];
  readonly queueing: StreamOf[] = [];
  /** Steps that `advance` has gone through last, by the second in which they ended. */
  readonly advanced: { atUs: Micros; count: number }[] = [];
  readonly #profile: EngineProfile;
  readonly #factor: (step: number) => number;
  readonly #batch: number;
  readonly #contextTokens: number;
  readonly #read: readonly { from: number; to: number }[];
  #steps = 1;
  #done = 0;
  #doneUs: Micros;
  #endUs: Micros;

  constructor(options: {
    beginUs: Micros;
    profile: EngineProfile;
    /** What the duration of a step is multiplied with, counted from 0. */
    factor: (step: number) => number;
    tasks: readonly Task[];
    chunks: readonly Chunk[];
  }) {
    this.tasks = options.tasks;
    this.chunks = options.chunks;
    this.#profile = options.profile;
    this.#factor = options.factor;
    this.#doneUs = options.beginUs;
    let contextTokens = 0;
    for (const task of options.tasks) contextTokens += this.#enlist(task, task.generation);
    const decoded = options.chunks.filter(({ isDecoded }) => isDecoded);
    for (const { task } of decoded) contextTokens += task.toReadTokens;
    this.#batch = this.growing.length + decoded.length;
    this.#contextTokens = contextTokens;
    const read = options.chunks.filter(({ isDecoded }) => !isDecoded);
    this.#read = read.map(({ task, tokens }) => {
      return { from: task.readTokens, to: task.readTokens + tokens };
    });
    this.#endUs = options.beginUs + this.#durationUs(0);
  }

  /** When its last step ends. */
  get endUs(): Micros {
    return this.#endUs;
  }

  /** Steps that have not been gone through. */
  get left(): number {
    return this.#steps - this.#done;
  }

  /** Whether prompts take all that its steps have left, so that no other can be begun. */
  get isFull(): boolean {
    return this.chunks.length > 0 && this.#steps > 1;
  }

  /** Repeats its step, so that there are that many. */
  repeat(steps: number): void {
    for (; this.#steps < steps; this.#steps++) this.#endUs += this.#durationUs(this.#steps);
  }

  /** Ends it with the step that is under way. */
  cut(): void {
    this.#steps = this.#done + 1;
    this.#endUs = this.#doneUs + this.#durationUs(this.#done);
  }

  /** Goes through the steps that have ended by then; returns how many. */
  advance(untilUs: Micros): number {
    this.advanced.length = 0;
    const before = this.#done;
    while (this.#done < this.#steps) {
      const endUs = this.#doneUs + this.#durationUs(this.#done);
      if (endUs > untilUs) break;
      this.#doneUs = endUs;
      this.#done++;
      this.#count(endUs);
    }
    return this.#done - before;
  }

  #count(atUs: Micros): void {
    const last = this.advanced.at(-1);
    const isSame =
      last !== undefined &&
      Math.floor(last.atUs / MICROS_PER_SECOND) === Math.floor(atUs / MICROS_PER_SECOND);
    if (isSame) last.count++;
    else this.advanced.push({ atUs, count: 1 });
  }

  #enlist(task: Task, generation: Generation): number {
    let contextTokens = 0;
    for (const stream of generation.streams) {
      if (!isGrowing(generation, stream)) continue;
      if (stream.waitSteps > 0) {
        this.queueing.push({ task, stream });
        continue;
      }
      this.growing.push({ task, stream });
      contextTokens += generation.promptTokens + stream.generatedTokens;
    }
    return contextTokens;
  }

  #durationUs(step: number): Micros {
    const batch = this.#batch;
    const chunks = step === 0 ? this.#read : this.#read.map((chunk) => later(chunk, step));
    const contextTokens = this.#contextTokens + batch * step;
    const us = stepUs(this.#profile, { batch, contextTokens, chunks });
    return Math.max(1, Math.round(us * this.#factor(step)));
  }
}

function later({ from, to }: { from: number; to: number }, steps: number): { from: number; to: number } {
  const tokens = (to - from) * steps;
  return { from: from + tokens, to: to + tokens };
}
