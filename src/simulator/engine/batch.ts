import type { Micros } from "../../core/units.ts";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import type { KvCache } from "./kv-cache.ts";
import { type Chunk, Run } from "./run.ts";
import {
  growingStreams,
  isEager,
  isReading,
  ownBlocks,
  peakTokens,
  restart,
  sequencesOf,
  shareable,
  type Task,
} from "./task.ts";

/**
 * Who is in the batch, who waits for a place in it, and what the next step does.
 *
 * Every sequence that generates gets one token, as far as there is room in the KV cache; where there is none, the
 * youngest is preempted, and reads again later what it had. What the step has left goes to prompts: of those that
 * were begun first, then of those that wait, in the order in which they came. Batching may also be alternating, so
 * that a step reads prompts or generates.
 */
export class Batch {
  readonly #profile: EngineProfile;
  readonly #cache: KvCache;
  /** Neither in the batch nor on their way there; those that were preempted first. */
  #waiting: Task[] = [];
  /** In the batch, in the order in which they came there. */
  #admitted: Task[] = [];
  /** Alternating: steps that generated since prompts were read. */
  #decodeSteps = 0;
  /** Somebody has lost its place for the next step, in which nobody has looked yet who could have what it held. */
  #hasPreempted = false;

  constructor(options: { profile: EngineProfile; cache: KvCache }) {
    this.#profile = options.profile;
    this.#cache = options.cache;
  }

  /** It has come, and waits behind all others. */
  add(task: Task): void {
    task.stage = "waiting";
    this.#waiting.push(task);
  }

  /** Gives up its place and its room, wherever it is. */
  remove(task: Task): void {
    if (task.stage === "waiting") this.#waiting = this.#waiting.filter((other) => other !== task);
    if (task.stage === "admitted") this.#admitted = this.#admitted.filter((other) => other !== task);
    task.stage = "coming";
    this.#cache.release(task.hold);
  }

  /** Forgets all of them, and leaves the KV cache to its owner. */
  clear(): void {
    this.#waiting = [];
    this.#admitted = [];
  }

  /** So many steps have generated. */
  decoded(steps: number): void {
    this.#decodeSteps += steps;
  }

  /**
   * Decides on the next step; null when there is nothing to do. `factor` is what each step's duration is multiplied
   * with. Those who find no room lose their places, and those who do get one.
   */
  next(beginUs: Micros, factor: (step: number) => number): Run | null {
    const profile = this.#profile;
    const { batching } = profile;
    this.#hasPreempted = false;
    let tasks: readonly Task[] = [];
    let chunks: readonly Chunk[] | null = batching.kind === "alternating" ? this.#wholePrompts() : null;
    if (chunks === null) {
      tasks = this.#makeRoom();
      chunks =
        batching.kind === "alternating" ? [] : this.#chunks(batching.tokensPerStepMax - growing(tasks));
    }
    if (tasks.length === 0 && chunks.length === 0) return null;
    return new Run({ beginUs, profile, factor, tasks, chunks });
  }

  /** Steps after which something has to be decided, as far as those who wait or read are concerned. */
  stepsToDecision({ chunks }: Run): number {
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

  /** How many of so many steps of the run there is room for in the KV cache: halved until they fit. */
  stepsWithRoom({ tasks }: Run, wanted: number): number {
    let steps = wanted;
    while (steps > 1 && this.#growth(tasks, steps) > this.#cache.available) steps = steps >> 1;
    return steps;
  }

  // ── those that generate ────────────────────────────────────────────────────────────────

  /** Those that generate in the next step; while it has no room for all of them, the youngest has to begin again. */
  #makeRoom(): Task[] {
    for (;;) {
      const generating = this.#generating();
      if (this.#growth(generating, 1) <= this.#cache.available) return generating;
      this.#preempt();
    }
  }

  #generating(): Task[] {
    return this.#admitted.filter((task) => !isReading(task) && isEager(task));
  }

  #preempt(): void {
    const youngest = this.#admitted.pop()!;
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

  // ── prompts ────────────────────────────────────────────────────────────────────────────

  /** Alternating: prompts to be read in a step of their own; null when it is not time for that or none can be begun. */
  #wholePrompts(): Chunk[] | null {
    const { batching } = this.#profile;
    if (batching.kind !== "alternating") return null;
    const generating = this.#admitted.filter(isEager);
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
    for (const task of this.#admitted) if (left > 0 && isReading(task) && isEager(task)) take(task);
    if (left <= 0) return chunks;
    const growth = this.#growth(this.#generating(), 1);
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
    if (sequencesOf(this.#admitted) + generation.streams.length > sequencesMax) return false;
    if (
      admission === "peak" &&
      peakTokens([...this.#admitted, task].map((each) => each.generation)) >= kvTokens
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
    this.#admitted.push(task);
    return true;
  }
}

/** What batching the profile has, where that is mixed. */
function mixed({ batching }: EngineProfile): { promptTokensPerStepMax?: number; lastTokenApart?: boolean } {
  return batching.kind === "mixed" ? batching : {};
}

/** Streams that get a token in the next step. */
function growing(tasks: readonly Task[]): number {
  return tasks.reduce((sum, task) => sum + growingStreams(task), 0);
}
