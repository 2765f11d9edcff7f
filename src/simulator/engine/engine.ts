import type { Micros } from "../../core/units.ts";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { type Generation, grant, isEnded, reach, type Stream, usageOf } from "./generation.ts";
import { KvCache } from "./kv-cache.ts";
import { Run, type Chunk } from "./run.ts";
import type { StepNoise } from "./step-time.ts";
import {
  blocksMax,
  isEager,
  isGrowing,
  isReading,
  newTask,
  ownBlocks,
  peakTokens,
  restart,
  shareable,
  type Task,
} from "./task.ts";

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
 * An engine with continuous batching, a paged KV cache and a prefix cache, in virtual time.
 *
 * In each step every sequence that generates gets one token, as far as there is room in the KV cache; where there is none,
 * the youngest is preempted, and reads again later what it had. What the step has left goes to prompts: of those that
 * were begun first, then of those that wait, in the order in which they came. Batching may also be alternating, so
 * that a step reads prompts or generates.
 *
 * Steps are not events. As long as the batch stays as it is, nothing is decided: such a run of steps is one event at
 * its end, and `Run` knows when each of its steps ends. Whatever concerns the batch meanwhile cuts the run at the end of
 * the step that is under way, as it would wait for that in any case. An end of a run is
 *
 * - an edge: a stream's first token, each `burstTokens` more, half of its credit, the end of it, and its own end. What
 *   the supervisor does depends on edges alone: between two of them nothing is told;
 * - a prompt that is read to its end, a choice whose turn has come, or a KV cache that is full.
 *
 * So the supervisor is told the same at the same time whether or not each step is an event.
 */
export class Engine {
  readonly #profile: EngineProfile;
  readonly #time: VirtualTime;
  readonly #noise: StepNoise;
  readonly #options: EngineOptions;
  readonly #cache: KvCache;
  readonly #tasks = new Map<string, Task>();
  /** Neither in the batch nor on their way there; those that were preempted first. */
  #waiting: Task[] = [];
  /** In the batch, in the order in which they came there. */
  #batch: Task[] = [];
  #run: Run | null = null;
  #callOff: (() => void) | null = null;
  #steps = 0;
  #decodeSteps = 0;
  #progress = 0;
  #slowness = 1;
  #isStuck = false;
  /** Somebody has lost its place for the next step, in which nobody has looked yet who could have what it held. */
  #hasPreempted = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#profile = options.profile;
    this.#time = options.time;
    this.#noise = options.noise;
    const { kvTokens, blockTokens, prefixCache } = options.profile;
    this.#cache = new KvCache({ tokens: kvTokens, blockTokens, prefixCache });
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
    this.#catchUp();
    return this.#cache.used / this.#cache.capacity;
  }

  /** Counts tokens read and generated. */
  get progress(): number {
    this.#catchUp();
    return this.#progress;
  }

  /** Hashed prompt blocks that can be used again. */
  get cache(): KvCache {
    this.#catchUp();
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
    if (this.#sequences(this.#tasks.values()) + generation.streams.length > sequencesMax) return false;
    return peakTokens([...this.generations(), generation]) < kvTokens;
  }

  start(generation: Generation): void {
    const task = newTask(generation);
    this.#tasks.set(generation.attempt, task);
    if (this.#profile.prefixCache && generation.blocks.length > 0)
      this.#cache.useHashesOf(generation.hashTokens);
    const [baseUs, tokenUs] = this.#profile.queueUs ?? [0, 0];
    const queueUs = baseUs + tokenUs * generation.promptTokens;
    if (queueUs === 0) return this.#arrive(task);
    this.#time.after(queueUs, () => {
      // It may have been stopped on its way, and another of its name started.
      if (this.#tasks.get(generation.attempt) === task) this.#arrive(task);
    });
  }

  /** Streams that had come to the end of their credit go on. */
  grant(attempt: string, creditTokens: number): void {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return;
    this.#cut();
    grant(task.generation, creditTokens);
    this.#wake();
  }

  /** Returns what was stopped; undefined when it had ended before. */
  stop(attempt: string): Generation | undefined {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return undefined;
    this.#cut();
    this.#forget(task);
    this.#wake();
    return task.generation;
  }

  /** Stops it as it is, with all that it has generated told; its worker keeps what it would go on from. */
  park(attempt: string): Generation | undefined {
    const generation = this.stop(attempt);
    if (generation === undefined) return undefined;
    for (const choice of generation.streams.keys()) this.#sendRest(generation, choice);
    generation.send({ kind: "parked" });
    return generation;
  }

  /** It gets the token of the step that is under way, and no more until it is resumed. */
  setPaused(attempt: string, isPaused: boolean): void {
    const task = this.#tasks.get(attempt);
    if (task === undefined) return;
    this.#cut();
    task.generation.isPaused = isPaused;
    this.#wake();
  }

  /** Makes each further step that many times as long. */
  slowDown(factor: number): void {
    this.#cut();
    this.#slowness = factor;
  }

  /** Alive, and at a standstill from the next step on. */
  setStuck(isStuck: boolean): void {
    this.#cut();
    this.#isStuck = isStuck;
    this.#wake();
  }

  /** Power off: nothing that was running says anything any more. */
  clear(): void {
    this.#catchUp();
    this.#callOff?.();
    this.#callOff = null;
    this.#run = null;
    this.#tasks.clear();
    this.#waiting = [];
    this.#batch = [];
    this.#cache.clear();
    this.#slowness = 1;
    this.#isStuck = false;
  }

  // ── runs of steps ──────────────────────────────────────────────────────────────────────

  #arrive(task: Task): void {
    task.stage = "waiting";
    this.#waiting.push(task);
    // Where prompts fill each step of the run, nobody else could be begun before it ends.
    if (this.#run?.isFull !== true) this.#cut();
    this.#wake();
  }

  /** Begins a step, if none is under way, once all that happens at this instant has happened. */
  #wake(): void {
    if (this.#callOff !== null || this.#isStuck) return;
    const beginUs = Math.floor(this.#time.nowUs) + this.#options.fraction;
    this.#callOff = this.#time.at(beginUs, () => {
      this.#callOff = null;
      this.#begin();
    });
  }

  /** Ends the run with the step that is under way. */
  #cut(): void {
    this.#catchUp();
    const run = this.#run;
    if (run === null || run.left <= 1) return;
    run.cut();
    this.#callOff!();
    this.#callOff = this.#time.at(run.endUs, () => this.#ended());
  }

  /** Brings the books up to the last step that has ended. */
  #catchUp(): void {
    const run = this.#run;
    if (run !== null) this.#book(run, run.advance(this.#time.nowUs));
  }

  #begin(): void {
    const run = this.#isStuck ? null : this.#nextRun();
    this.#run = run;
    if (run === null) return;
    this.#callOff = this.#time.at(run.endUs, () => this.#ended());
  }

  #ended(): void {
    const run = this.#run!;
    this.#callOff = null;
    this.#book(run, run.advance(Infinity));
    this.#run = null;
    for (const { task } of run.chunks) if (!isReading(task)) this.#read(task, run.endUs);
    for (const task of run.tasks) if (task.stage === "admitted") this.#send(task);
    this.#begin();
  }

  /** What that many steps of the run have come to. */
  #book(run: Run, steps: number): void {
    if (steps === 0) return;
    this.#steps += steps;
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
    if (run.growing.length > 0) this.#decodeSteps += steps;
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

  // ── what is told ───────────────────────────────────────────────────────────────────────

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
    this.#send(task);
  }

  /** Sends what has been generated: of streams that have come to an edge, or a token by itself on the way there. */
  #send({ generation }: Task): void {
    for (const [choice, stream] of generation.streams.entries()) {
      const isEdge = stream.generatedTokens > stream.toldTokens && this.#toEdge(generation, stream) === 0;
      if (isEdge) this.#sendRest(generation, choice);
      else if (this.#options.perToken) this.#sendTokens(generation, choice, false);
      if (isEdge && isEnded(stream)) this.#sendEnd(generation, choice);
    }
  }

  #sendRest(generation: Generation, choice: number): void {
    const stream = generation.streams[choice]!;
    if (stream.generatedTokens === stream.toldTokens) return;
    stream.toldTokens = stream.generatedTokens;
    this.#sendTokens(generation, choice, true);
  }

  #sendTokens(generation: Generation, choice: number, isEdge: boolean): void {
    const stream = generation.streams[choice]!;
    const count = stream.generatedTokens - stream.sentTokens;
    if (count === 0 && !isEdge) return;
    const tokens = { first: stream.firstToken + stream.sentTokens, count };
    stream.sentTokens = stream.generatedTokens;
    generation.send({ kind: "output", choice, tokens, isEdge });
  }

  /** The last of the choices to end ends all of it. */
  #sendEnd(generation: Generation, choice: number): void {
    const { finishReason } = generation.streams[choice]!;
    const isLast = generation.streams.every(
      (stream) => isEnded(stream) && stream.toldTokens === stream.generatedTokens,
    );
    if (!isLast) return generation.send({ kind: "choice_finished", choice, finishReason });
    this.#forget(this.#tasks.get(generation.attempt)!);
    generation.send({ kind: "finished", finishReason, usage: usageOf(generation) });
  }

  /** Tokens until the supervisor has to be told of the stream; 0 at an edge. */
  #toEdge(generation: Generation, stream: Stream): number {
    const { generatedTokens: generated, toldTokens } = stream;
    const { creditEdge, stopsAtCredit, carriedTokens } = generation;
    const next = toldTokens === carriedTokens ? carriedTokens + 1 : toldTokens + this.#options.burstTokens;
    let left = Math.min(next, reach(generation, stream)) - generated;
    if (stopsAtCredit && creditEdge > toldTokens) left = Math.min(left, creditEdge - generated);
    return Math.max(0, left);
  }

  #forget(task: Task): void {
    this.#tasks.delete(task.generation.attempt);
    if (task.stage === "waiting") this.#waiting = this.#waiting.filter((other) => other !== task);
    if (task.stage === "admitted") this.#batch = this.#batch.filter((other) => other !== task);
    task.stage = "coming";
    this.#cache.release(task.hold);
  }

  // ── the next batch ─────────────────────────────────────────────────────────────────────

  /** Decides on the next step, and how often it can be repeated; null when there is nothing to do. */
  #nextRun(): Run | null {
    const { batching } = this.#profile;
    this.#hasPreempted = false;
    const chunks = batching.kind === "alternating" ? this.#wholePrompts() : null;
    if (chunks !== null) return this.#runOf([], chunks);
    const generating = this.#makeRoom();
    if (batching.kind === "alternating") return this.#runOf(generating, []);
    const sequences = generating.reduce((sum, task) => sum + growingStreams(task), 0);
    return this.#runOf(generating, this.#chunks(batching.tokensPerStepMax - sequences));
  }

  /** Those that generate in the next step; while it has no room for all of them, the youngest has to begin again. */
  #makeRoom(): Task[] {
    for (;;) {
      const generating = this.#batch.filter((task) => !isReading(task) && isEager(task));
      if (this.#growth(generating, 1) <= this.#cache.available) return generating;
      this.#preempt();
    }
  }

  #preempt(): void {
    const youngest = this.#batch.pop()!;
    restart(youngest, this.#cache);
    this.#hasPreempted = true;
    this.#waiting.unshift(youngest);
  }

  /** Blocks that so many steps would take. */
  #growth(tasks: readonly Task[], steps: number): number {
    const { blockTokens } = this.#profile;
    let blocks = 0;
    for (const task of tasks) blocks += ownBlocks(task, blockTokens, steps) - task.hold.blocks;
    return blocks;
  }

  /** Alternating: prompts to be read in a step of their own; null when it is not time for that or none can be begun. */
  #wholePrompts(): Chunk[] | null {
    const { batching } = this.#profile;
    if (batching.kind !== "alternating") return null;
    const generating = this.#batch.filter(isEager);
    if (generating.length > 0 && this.#decodeSteps < batching.decodeStepsBetween) return null;
    let left = batching.tokensPerStepMax;
    const chunks: Chunk[] = [];
    for (const task of this.#admissible()) {
      if (chunks.length > 0 && task.toReadTokens - this.#cachedTokens(task) > left) break;
      if (!this.#admit(task, 0)) break;
      const tokens = task.toReadTokens - task.readTokens;
      left -= tokens;
      // One that never gets anywhere holds what it has and takes no part.
      if (isEager(task)) chunks.push({ task, tokens, isDecoded: false });
    }
    if (chunks.length === 0) return null;
    this.#decodeSteps = 0;
    return chunks;
  }

  /** Mixed: as much of prompts as the step has left, of those that were begun first. */
  #chunks(budget: number): Chunk[] {
    let left = budget;
    const chunks: Chunk[] = [];
    const take = (task: Task): void => {
      const chunk = this.#chunkOf(task, left);
      chunks.push(chunk);
      left -= chunk.tokens;
    };
    for (const task of this.#batch) if (left > 0 && isReading(task) && isEager(task)) take(task);
    if (left <= 0) return chunks;
    const generating = this.#batch.filter((task) => !isReading(task) && isEager(task));
    const growth = this.#growth(generating, 1);
    for (const task of this.#admissible()) {
      if (left <= 0 || !this.#admit(task, growth)) break;
      // One that never gets anywhere holds what it has and takes no part.
      if (isEager(task)) take(task);
    }
    return chunks;
  }

  /** What a mixed step with room for that many tokens reads of a prompt. */
  #chunkOf(task: Task, room: number): Chunk {
    const unreadTokens = task.toReadTokens - task.readTokens;
    const { promptTokensPerStepMax = Infinity, lastTokenApart = false } = mixed(this.#profile);
    const tokens = lastTokenApart ? Math.max(1, unreadTokens - 1) : unreadTokens;
    const isDecoded = lastTokenApart && unreadTokens === 1;
    return { task, tokens: Math.min(room, promptTokensPerStepMax, tokens), isDecoded };
  }

  /** Those that wait, in order; a client that doesn't read holds up nobody. */
  #admissible(): Task[] {
    return this.#waiting.filter(({ generation }) => !generation.isPaused);
  }

  #cachedTokens({ generation }: Task): number {
    const { blocks, hashTokens } = generation;
    return Math.min(this.#cache.matching(blocks), shareable(generation)) * hashTokens;
  }

  /** Begins a prompt, if there is room for all of it beside what the others are about to take. */
  #admit(task: Task, spokenFor: number): boolean {
    const { generation, hold } = task;
    const { sequencesMax, blockTokens, admission, kvTokens } = this.#profile;
    if (this.#sequences(this.#batch) + generation.streams.length > sequencesMax) return false;
    if (
      admission === "peak" &&
      peakTokens([...this.#batch, task].map((each) => each.generation)) >= kvTokens
    ) {
      return false;
    }
    const cachedTokens = this.#cachedTokens(task);
    const hits = cachedTokens / generation.hashTokens;
    const own = ownBlocks(task, blockTokens, 0) - cachedTokens / blockTokens;
    const needed = own + 1 + this.#cache.idleAmong(generation.blocks, hits);
    if (spokenFor + needed > this.#cache.available) return false;
    this.#cache.share(hold, generation.blocks, hits);
    this.#cache.resize(hold, own);
    // A state that came with it needs no reading, but for its last token.
    task.readTokens = generation.hasState && !task.hasStarted ? task.toReadTokens - 1 : cachedTokens;
    if (!task.hasStarted) generation.cachedTokens = cachedTokens;
    task.stage = "admitted";
    this.#waiting.splice(this.#waiting.indexOf(task), 1);
    this.#batch.push(task);
    return true;
  }

  #sequences(tasks: Iterable<Task>): number {
    let sequences = 0;
    for (const { generation } of tasks) sequences += generation.streams.length;
    return sequences;
  }

  #runOf(generating: readonly Task[], chunks: readonly Chunk[]): Run | null {
    if (generating.length === 0 && chunks.length === 0) return null;
    const firstStep = this.#steps;
    const slowness = this.#slowness;
    const run = new Run({
      beginUs: this.#time.nowUs,
      profile: this.#profile,
      factor: (step) => this.#noise.factor(firstStep + step) * slowness,
      tasks: generating,
      chunks,
    });
    if (!this.#options.perToken) run.repeat(this.#repetitions(run));
    return run;
  }

  /** How often the step can be repeated before something has to be decided or told. */
  #repetitions(run: Run): number {
    let steps = this.#stepsToDecision(run.chunks);
    for (const { task, stream } of run.growing)
      steps = Math.min(steps, this.#toEdge(task.generation, stream));
    for (const { stream } of run.queueing) steps = Math.min(steps, stream.waitSteps);
    while (steps > 1 && this.#growth(run.tasks, steps) > this.#cache.available) steps = steps >> 1;
    return steps;
  }

  #stepsToDecision(chunks: readonly Chunk[]): number {
    const { batching, admission } = this.#profile;
    if (chunks.length > 1) return 1;
    // A step that a prompt doesn't fill may be joined by others at any time.
    const { promptTokensPerStepMax, lastTokenApart = false } = mixed(this.#profile);
    if (chunks.length > 0 && (promptTokensPerStepMax !== undefined || lastTokenApart)) return 1;
    for (const { task, tokens } of chunks)
      return Math.ceil((task.toReadTokens - task.readTokens) / tokens) - 1;
    if (this.#admissible().length === 0) return Infinity;
    if (this.#hasPreempted) return 1;
    const untilDue = batching.kind === "mixed" ? 0 : batching.decodeStepsBetween - this.#decodeSteps;
    if (untilDue > 0) return untilDue;
    // What does not fit now fits when something ends; where lengths are known, it may before.
    return admission === "peak" ? 1 : Infinity;
  }
}

/** What batching the profile has, where that is mixed. */
function mixed({ batching }: EngineProfile): { promptTokensPerStepMax?: number; lastTokenApart?: boolean } {
  return batching.kind === "mixed" ? batching : {};
}

/** Streams of a task that get a token in the next step. */
function growingStreams({ generation }: Task): number {
  return generation.streams.filter((stream) => stream.waitSteps === 0 && isGrowing(generation, stream))
    .length;
}
