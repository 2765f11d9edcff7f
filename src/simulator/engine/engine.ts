import type { Micros } from "../../core/units.ts";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { Batch } from "./batch.ts";
import { type Generation, grant, usageOf } from "./generation.ts";
import { KvCache } from "./kv-cache.ts";
import type { Run } from "./run.ts";
import { StepClock } from "./step-clock.ts";
import type { StepNoise } from "./step-time.ts";
import {
  blocksMax,
  isGrowing,
  isReading,
  newTask,
  ownBlocks,
  peakTokens,
  sequencesOf,
  type Task,
} from "./task.ts";
import { Telling } from "./telling.ts";

export interface EngineOptions {
  profile: EngineProfile;
  time: VirtualTime;
  noise: StepNoise;
  /** Tokens of a stream after which the supervisor is told, at the latest. */
  burstTokens: number;
  /** Stops at each step, and sends each token by itself: slower, and the same in all that matters. */
  perToken: boolean;
  /**
   * When within a microsecond its steps end, in (0, 1): so that nothing else happens at the same instant, and no two
   * engines end a step together whose order would then depend on who began first.
   */
  fraction: number;
  /** Tokens were read or generated, at that time. */
  served?: (generation: Generation, atUs: Micros, tokens: { prompt: number; output: number }) => void;
}

/**
 * An engine with continuous batching, a paged KV cache and a prefix cache, in virtual time. `Batch` decides what each
 * step does, `StepClock` when it begins and ends, `Telling` who hears of it; the engine knows what runs in it, and books
 * what steps have come to.
 *
 * Steps are not events. As long as the batch stays as it is, nothing is decided: such a run of steps is one event at
 * its end, and `Run` knows when each of its steps ends. Whatever concerns the batch meanwhile cuts the run at the end of
 * the step that is under way, as it would wait for that in any case. An end of a run is
 *
 * - an edge, at which the supervisor is told of a stream: between two of them nothing is told;
 * - a prompt that is read to its end, a choice whose turn has come, or a KV cache that is full.
 *
 * So the supervisor is told the same at the same time whether or not each step is an event.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #profile: EngineProfile;
  readonly #cache: KvCache;
  readonly #batch: Batch;
  readonly #clock: StepClock;
  readonly #telling: Telling;
  /** All that were started and have not ended, in whatever stage. */
  readonly #tasks = new Map<string, Task>();
  #progress = 0;

  constructor(options: EngineOptions) {
    const { profile } = options;
    const { kvTokens, blockTokens, prefixCache } = profile;
    this.#options = options;
    this.#profile = profile;
    this.#cache = new KvCache({ tokens: kvTokens, blockTokens, prefixCache });
    this.#batch = new Batch({ profile, cache: this.#cache });
    this.#telling = new Telling(options);
    this.#clock = new StepClock(options, {
      next: (beginUs, factor) => this.#next(beginUs, factor),
      book: (run, steps) => this.#book(run, steps),
      ended: (run) => this.#ended(run),
    });
  }

  *generations(): Iterable<Generation> {
    for (const { generation } of this.#tasks.values()) yield generation;
  }

  /** Places taken, by one model where one is named. */
  places(model?: string): number {
    let places = 0;
    for (const { generation } of this.#tasks.values()) {
      if (model === undefined || generation.model === model) places += generation.places;
    }
    return places;
  }

  /** Set aside for what runs here. */
  get kvBytes(): number {
    let bytes = 0;
    for (const { generation } of this.#tasks.values()) bytes += generation.kvBytes;
    return bytes;
  }

  /** Share of the KV cache that sequences hold. */
  get kvShare(): number {
    this.#clock.catchUp();
    return this.#cache.used / this.#cache.capacity;
  }

  /** Counts tokens read and generated. */
  get progress(): number {
    this.#clock.catchUp();
    return this.#progress;
  }

  /** Hashed prompt blocks that can be used again. */
  get cache(): KvCache {
    this.#clock.catchUp();
    return this.#cache;
  }

  /** Whether the generation fits at all, however long it waits. */
  fits(generation: Generation): boolean {
    return blocksMax(generation, this.#profile.blockTokens) <= this.#cache.capacity;
  }

  /** Whether it may wait here: see `EngineProfile.admission`. */
  takes(generation: Generation): boolean {
    const { admission, batching, kvTokens, sequencesMax } = this.#profile;
    if (admission !== "peak") return true;
    const waiting = [...this.#tasks.values()].filter(({ stage }) => stage !== "admitted");
    const queued = waiting.reduce((sum, task) => sum + task.generation.promptTokens, 0);
    if (waiting.length > 0 && queued + generation.promptTokens > batching.tokensPerStepMax) return false;
    if (sequencesOf(this.#tasks.values()) + generation.streams.length > sequencesMax) return false;
    return peakTokens([...this.generations(), generation]) < kvTokens;
  }

  /** It comes when its time before the queue is over, and waits for its place in the batch. */
  start(generation: Generation): void {
    const task = newTask(generation);
    this.#tasks.set(generation.attempt, task);
    if (this.#profile.prefixCache && generation.blocks.length > 0)
      this.#cache.useHashesOf(generation.hashTokens);
    const [baseUs, tokenUs] = this.#profile.queueUs ?? [0, 0];
    const queueUs = baseUs + tokenUs * generation.promptTokens;
    if (queueUs === 0) return this.#arrive(task);
    this.#options.time.after(queueUs, () => {
      // It may have been stopped on its way, and another of its name started.
      if (this.#tasks.get(generation.attempt) === task) this.#arrive(task);
    });
  }

  /** Streams that had come to the end of their credit go on. */
  grant(attempt: string, creditTokens: number): void {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return;
    this.#clock.cut();
    grant(task.generation, creditTokens);
    this.#clock.wake();
  }

  /** Returns what was stopped; undefined when it had ended before. */
  stop(attempt: string): Generation | undefined {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return undefined;
    this.#clock.cut();
    this.#forget(task);
    this.#clock.wake();
    return task.generation;
  }

  /** Stops it as it is, with all that it has generated told; its worker keeps what it would go on from. */
  park(attempt: string): Generation | undefined {
    const generation = this.stop(attempt);
    if (generation === undefined) return undefined;
    for (const choice of generation.streams.keys()) this.#telling.sendRest(generation, choice);
    generation.send({ kind: "parked" });
    return generation;
  }

  /** It gets the token of the step that is under way, and no more until it is resumed. */
  setPaused(attempt: string, isPaused: boolean): void {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return;
    this.#clock.cut();
    task.generation.isPaused = isPaused;
    this.#clock.wake();
  }

  /** Makes each further step that many times as long. */
  slowDown(factor: number): void {
    this.#clock.slowDown(factor);
  }

  /** Alive, and at a standstill from the next step on. */
  setStuck(isStuck: boolean): void {
    this.#clock.setStuck(isStuck);
  }

  /** Power off: nothing that was running says anything any more. */
  clear(): void {
    this.#clock.clear();
    this.#tasks.clear();
    this.#batch.clear();
    this.#cache.clear();
  }

  #arrive(task: Task): void {
    this.#batch.add(task);
    if (!this.#clock.isFull) this.#clock.cut();
    this.#clock.wake();
  }

  #forget(task: Task): void {
    this.#tasks.delete(task.generation.attempt);
    this.#batch.remove(task);
  }

  // ── what steps come to ─────────────────────────────────────────────────────────────────

  /** The next step, as often as it can be repeated before something has to be decided or told. */
  #next(beginUs: Micros, factor: (step: number) => number): Run | null {
    const run = this.#batch.next(beginUs, factor);
    if (run === null || this.#options.perToken) return run;
    let steps = this.#batch.stepsToDecision(run);
    for (const { task, stream } of run.growing)
      steps = Math.min(steps, this.#telling.toEdge(task.generation, stream));
    for (const { stream } of run.queueing) steps = Math.min(steps, stream.waitSteps);
    run.repeat(this.#batch.stepsWithRoom(run, steps));
    return run;
  }

  /** What that many steps of the run have come to. */
  #book(run: Run, steps: number): void {
    for (const chunk of run.chunks) {
      if (chunk.task.stage !== "admitted") continue;
      const tokens = chunk.tokens * steps;
      chunk.task.readTokens += tokens;
      this.#progress += tokens;
      this.#publish(chunk.task);
    }
    for (const { task, stream } of run.growing) {
      if (task.stage !== "admitted") continue;
      stream.generatedTokens += steps;
      this.#progress += steps;
      for (const { atUs, count } of run.advanced) this.#served(task, atUs, { prompt: 0, output: count });
    }
    for (const { task, stream } of run.queueing) if (task.stage === "admitted") stream.waitSteps -= steps;
    for (const task of run.tasks) {
      if (task.stage !== "admitted") continue;
      this.#cache.resize(task.hold, ownBlocks(task, this.#profile.blockTokens, 0));
    }
    if (run.growing.length > 0) this.#batch.decoded(steps);
  }

  /** Tells of it whoever has come to something. */
  #ended(run: Run): void {
    for (const { task } of run.chunks) if (!isReading(task)) this.#read(task, run.endUs);
    for (const task of run.tasks) if (task.stage === "admitted") this.#tell(task);
  }

  /** The step that reads the end of a prompt gives the first token of each of its streams whose turn it is. */
  #read(task: Task, atUs: Micros): void {
    const { generation } = task;
    if (task.stage !== "admitted") return;
    if (!task.hasStarted) {
      task.hasStarted = true;
      const { promptTokens, cachedTokens } = generation;
      this.#served(task, atUs, { prompt: promptTokens, output: 0 });
      generation.send({ kind: "started", promptTokens, cachedTokens });
    }
    if (generation.isPrefillOnly) {
      this.#forget(task);
      return generation.send({ kind: "parked" });
    }
    for (const stream of generation.streams) {
      if (stream.waitSteps > 0 || !isGrowing(generation, stream)) continue;
      stream.generatedTokens++;
      this.#progress++;
      this.#served(task, atUs, { prompt: 0, output: 1 });
    }
    this.#cache.resize(task.hold, ownBlocks(task, this.#profile.blockTokens, 0));
    this.#tell(task);
  }

  #tell(task: Task): void {
    const { generation } = task;
    const finishReason = this.#telling.send(generation);
    if (finishReason === null) return;
    this.#forget(task);
    generation.send({ kind: "finished", finishReason, usage: usageOf(generation) });
  }

  #served(task: Task, atUs: Micros, tokens: { prompt: number; output: number }): void {
    this.#options.served?.(task.generation, atUs, tokens);
  }

  /** Makes the blocks that are computed available to others. */
  #publish({ generation, hold, readTokens }: Task): void {
    const { promptTokens, hashTokens, blocks } = generation;
    if (blocks.length === 0) return;
    const computed = Math.floor(Math.min(readTokens, promptTokens) / hashTokens);
    this.#cache.publish(hold, blocks, Math.min(computed, blocks.length));
  }
}
