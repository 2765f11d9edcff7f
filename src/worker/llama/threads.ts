import type { LlamaModel } from "node-llama-cpp";
import { availableParallelism } from "node:os";
import { flashAttention } from "./flash-attention.ts";
import { toTokens } from "./token.ts";

const TRIAL_CONTEXT_TOKENS = 256;
const TRIAL_STEPS = 32;
/** For all counts together; a step that was begun is finished. */
const TRIAL_BUDGET_MS = 1_000;
/** More threads have to pay by at least this much, or they only take cores from others. */
const WORTHWHILE_GAIN = 1.1;

export interface ThreadTrial {
  threads: number;
  tokensPerSecond: number;
}

/**
 * How many threads to decode with, found by trying. llama.cpp's threads spin while they wait
 * for each other, so a small model is many times slower with two threads than with one, and a
 * large one is faster with all cores; where the border lies depends on the machine and on what
 * else runs there.
 */
export async function measureThreads(model: LlamaModel): Promise<{ threads: number; trials: ThreadTrial[] }> {
  const counts = threadCounts(availableParallelism());
  const trials: ThreadTrial[] = [];
  for (const threads of counts) {
    const tokensPerSecond = await decodeSpeed({ model, threads, budgetMs: TRIAL_BUDGET_MS / counts.length });
    const previous = trials.at(-1);
    trials.push({ threads, tokensPerSecond });
    // Once more threads are slower, still more are slower yet.
    if (previous !== undefined && tokensPerSecond < previous.tokensPerSecond) break;
  }
  return { threads: fastest(trials), trials };
}

/** 1, 2, 4, … and all cores. */
export function threadCounts(cores: number): number[] {
  const counts: number[] = [];
  for (let threads = 1; threads < cores; threads *= 2) counts.push(threads);
  return [...counts, cores];
}

/** The smallest count that no larger one beats by a worthwhile gain. */
export function fastest(trials: readonly ThreadTrial[]): number {
  let best: ThreadTrial | null = null;
  for (const trial of trials) {
    if (best === null || trial.tokensPerSecond > best.tokensPerSecond * WORTHWHILE_GAIN) best = trial;
  }
  return best?.threads ?? 1;
}

async function decodeSpeed(options: {
  model: LlamaModel;
  threads: number;
  budgetMs: number;
}): Promise<number> {
  const { model, threads, budgetMs } = options;
  const context = await model.createContext({
    contextSize: TRIAL_CONTEXT_TOKENS,
    threads,
    flashAttention: flashAttention(model),
  });
  try {
    const tokens = context.getSequence().evaluate(toTokens([model.tokens.bos ?? 0]), { yieldEogToken: true });
    await tokens.next(); // The first step pays for warming up.
    const startMs = performance.now();
    let steps = 0;
    while (steps < TRIAL_STEPS && (steps === 0 || performance.now() - startMs < budgetMs)) {
      await tokens.next();
      steps++;
    }
    const elapsedMs = performance.now() - startMs;
    await tokens.return();
    return (steps * 1_000) / elapsedMs;
  } finally {
    await context.dispose();
  }
}
