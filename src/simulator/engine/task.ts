import type { Generation, Stream } from "./generation.ts";
import { generatedTokens, isEnded, reach } from "./generation.ts";
import type { KvCache, KvHold } from "./kv-cache.ts";

/**
 * A generation as the engine works on it.
 *
 * ```
 *   on its way ──▶ waiting ──▶ reading ──▶ generating ──▶ over
 *   (queue time)      ▲           │            │
 *                     └───────────┴────────────┘ preempted: reads again what it had read and generated
 * ```
 */
export interface Task {
  readonly generation: Generation;
  readonly hold: KvHold;
  stage: "coming" | "waiting" | "admitted";
  /** Of the prompt, and of what was generated before a preemption. */
  readTokens: number;
  toReadTokens: number;
  /** It has been announced that the prompt is read. */
  hasStarted: boolean;
}

export function newTask(generation: Generation): Task {
  return {
    generation,
    hold: { shared: [], blocks: 0 },
    stage: "coming",
    readTokens: 0,
    toReadTokens: generation.promptTokens + generatedTokens(generation),
    hasStarted: false,
  };
}

export function isReading({ readTokens, toReadTokens }: Task): boolean {
  return readTokens < toReadTokens;
}

/** Whether there is something that it could do in a step. */
export function isEager({ generation, ...task }: Task): boolean {
  if (generation.isPaused) return false;
  if (task.readTokens < task.toReadTokens) return !generation.hangsInPrefill;
  return generation.streams.some((stream) => isGrowing(generation, stream));
}

/** The stream could have more tokens, now or when its turn comes. */
export function isGrowing(generation: Generation, stream: Stream): boolean {
  return stream.generatedTokens < reach(generation, stream);
}

/** Streams of the task that get a token in a step. */
export function growingStreams({ generation }: Task): number {
  return generation.streams.filter((stream) => stream.waitSteps === 0 && isGrowing(generation, stream))
    .length;
}

/** Sequences that the tasks are, or will be: one for each stream. */
export function sequencesOf(tasks: Iterable<Task>): number {
  let sequences = 0;
  for (const { generation } of tasks) sequences += generation.streams.length;
  return sequences;
}

/** Hashed blocks of its prompt that can be shared: whole ones, and never the whole prompt, whose end has to be read. */
export function shareable({ promptTokens, blocks, hashTokens }: Generation): number {
  return Math.min(blocks.length, Math.floor((promptTokens - 1) / hashTokens));
}

/**
 * Blocks of its own that the task needs once each of its growing streams has so many tokens more. The token
 * that was generated last takes room in the step after, when it is read.
 */
export function ownBlocks(task: Task, blockTokens: number, moreTokens: number): number {
  const { generation, hold } = task;
  const promptTokens = generation.promptTokens - hold.shared.length * generation.hashTokens;
  const whole = Math.floor(promptTokens / blockTokens);
  const rest = promptTokens - whole * blockTokens;
  // What has to be read again counts in full.
  const unreadTokens = isReading(task) ? 0 : 1;
  let tails = 0;
  for (const stream of generation.streams) {
    const canGrow = moreTokens > 0 && stream.waitSteps === 0 && isGrowing(generation, stream);
    const tokens = stream.generatedTokens - unreadTokens + (canGrow ? moreTokens : 0);
    if (tokens > 0) tails += Math.ceil((rest + tokens) / blockTokens);
  }
  return whole + Math.max(tails, rest > 0 ? 1 : 0);
}

/** The most blocks that a generation can come to need. */
export function blocksMax({ promptTokens, streams }: Generation, blockTokens: number): number {
  const rest = promptTokens % blockTokens;
  let blocks = Math.floor(promptTokens / blockTokens);
  for (const { endsAtTokens } of streams) blocks += Math.ceil((rest + endsAtTokens) / blockTokens);
  return blocks + 1;
}

/** It has to begin again: what it holds is given up, and what it has generated is read like a prompt. */
export function restart(task: Task, cache: KvCache): void {
  cache.release(task.hold);
  task.stage = "waiting";
  task.readTokens = 0;
  task.toReadTokens = task.generation.promptTokens + generatedTokens(task.generation);
}

/**
 * Tokens in the KV cache when all of these together hold most, were each as long as it will be: after those that end
 * sooner have ended, the others are longer.
 */
export function peakTokens(generations: Iterable<Generation>): number {
  const sequences: { held: number; left: number }[] = [];
  for (const { promptTokens, streams } of generations) {
    for (const [index, stream] of streams.entries()) {
      if (isEnded(stream)) continue;
      const generated = Math.max(1, stream.generatedTokens);
      const prompt = index === 0 ? promptTokens : 0;
      sequences.push({ held: prompt + generated, left: stream.endsAtTokens - generated });
    }
  }
  sequences.sort((a, b) => b.left - a.left);
  let peak = 0;
  let held = 0;
  for (const [index, sequence] of sequences.entries()) {
    held += sequence.held;
    peak = Math.max(peak, held + sequence.left * (index + 1));
  }
  return peak;
}
