import { Random } from "../../core/random.ts";
import type { MeasuredEngine, Timing } from "./measured-engine.ts";

/** How long the engine took to read a prompt nothing of which was cached, on an engine that did nothing else. */
export interface PrefillPoint {
  tokens: number;
  us: number;
}

/** How long a step took in which so many sequences went on by a token each. */
export interface DecodePoint {
  batch: number;
  /** Tokens that all sequences of the batch had before them, together, on average over the steps. */
  contextTokens: number;
  us: number;
}

export interface Measurements {
  prefill: PrefillPoint[];
  decode: DecodePoint[];
}

export interface MeasuringPlan {
  /** Lengths of prompts to read, and batches to decode with each of these contexts; in tokens. */
  prefillTokens: readonly number[];
  batches: readonly number[];
  decodeContexts: readonly number[];
  /** Each point is measured so often, and its median counts. */
  rounds: number;
  /** Of each answer in a batch. */
  outputTokens: number;
  seed: number;
}

const WARM_UP_WORDS = 32;
const TOKENS_PER_WORD_MIN = 0.5;
const US_PER_MS = 1_000;
/** An engine that takes longer for one answer is not waited for. */
const ANSWER_MS_MAX = 300_000;

/**
 * Prompts of several lengths one at a time, then batches of several sizes. Points are gone through
 * round by round, so that what slows the machine down for a while touches each of them once. Rejects with the
 * reason of the signal when that aborts.
 */
export async function measure(options: {
  engine: MeasuredEngine;
  plan: MeasuringPlan;
  signal: AbortSignal;
  onProgress?: ((done: number, of: number) => void) | undefined;
}): Promise<Measurements> {
  const { engine, plan, signal, onProgress } = options;
  const random = new Random(plan.seed);
  const writer = await Prompts.learn({ engine, random, signal });
  const ask = async (promptTokens: number, outputTokens: number): Promise<Timing> => {
    const { prompt, words } = writer.ofTokens(promptTokens);
    const timing = await answered({ engine, prompt, outputTokens, signal });
    writer.note(words, timing.promptTokens);
    return timing;
  };
  const batches = plan.batches.flatMap((batch) => plan.decodeContexts.map((context) => ({ batch, context })));
  const of = plan.rounds * (plan.prefillTokens.length + batches.length);
  let done = 0;
  const prefill: PrefillPoint[][] = [];
  const decode: DecodePoint[][] = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const [i, tokens] of plan.prefillTokens.entries()) {
      (prefill[i] ??= []).push(prefillPoint(await ask(tokens, 1)));
      onProgress?.(++done, of);
    }
    for (const [i, { batch, context }] of batches.entries()) {
      const timings = await Promise.all(Array.from({ length: batch }, () => ask(context, plan.outputTokens)));
      const point = decodePoint(timings);
      if (point !== null) (decode[i] ??= []).push(point);
      onProgress?.(++done, of);
    }
  }
  return {
    prefill: prefill.map(medianPoint),
    decode: decode.filter((points) => points !== undefined).map(medianPoint),
  };
}

async function answered(call: {
  engine: MeasuredEngine;
  prompt: string;
  outputTokens: number;
  signal: AbortSignal;
}): Promise<Timing> {
  const { engine, prompt, outputTokens, signal } = call;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
  const timing = await engine.generate({ prompt, outputTokens, signal: limit });
  if (timing.arrivedMs.length > 0) return timing;
  throw new Error("the engine answered without a token");
}

function prefillPoint({ sentMs, arrivedMs, promptTokens, cachedTokens }: Timing): PrefillPoint {
  return { tokens: Math.max(1, promptTokens - cachedTokens), us: (arrivedMs[0]! - sentMs) * US_PER_MS };
}

/** Only the time counts in which all of the batch were answering; null where there was none. */
function decodePoint(timings: readonly Timing[]): DecodePoint | null {
  const fromMs = Math.max(...timings.map(({ arrivedMs }) => arrivedMs[0]!));
  const toMs = Math.min(...timings.map(({ arrivedMs }) => arrivedMs.at(-1)!));
  if (toMs <= fromMs) return null;
  let tokens = 0;
  let contextTokens = 0;
  for (const { arrivedMs, promptTokens, outputTokens } of timings) {
    // A server may send several tokens at once.
    const tokensPerPart = Math.max(1, outputTokens / arrivedMs.length);
    const before = arrivedMs.filter((ms) => ms <= fromMs).length;
    const within = arrivedMs.filter((ms) => ms > fromMs && ms <= toMs).length;
    tokens += within * tokensPerPart;
    contextTokens += promptTokens + (before + within / 2) * tokensPerPart;
  }
  if (tokens === 0) return null;
  const steps = tokens / timings.length;
  return { batch: timings.length, contextTokens, us: ((toMs - fromMs) / steps) * US_PER_MS };
}

function medianPoint<Point extends { us: number }>(points: readonly Point[]): Point {
  return points.toSorted((a, b) => a.us - b.us)[Math.floor((points.length - 1) / 2)]!;
}

/**
 * Writes prompts that nobody has written before, of about the length that is asked for: tokens = overhead + words · per word,
 * where the first two prompts tell the overhead, and all together what a word has.
 */
class Prompts {
  readonly #random: Random;
  #overheadTokens = 0;
  #prompts = 0;
  #words = 0;
  #tokens = 0;

  private constructor(random: Random) {
    this.#random = random;
  }

  /** The first two prompts warm the engine up, too. */
  static async learn(given: {
    engine: MeasuredEngine;
    random: Random;
    signal: AbortSignal;
  }): Promise<Prompts> {
    const prompts = new Prompts(given.random);
    const ask = async (words: number): Promise<number> => {
      const prompt = randomWords(given.random, words);
      const { promptTokens } = await answered({ ...given, prompt, outputTokens: 2 });
      prompts.note(words, promptTokens);
      return promptTokens;
    };
    const short = await ask(1);
    const long = await ask(WARM_UP_WORDS);
    const perWord = Math.max(TOKENS_PER_WORD_MIN, (long - short) / (WARM_UP_WORDS - 1));
    prompts.#overheadTokens = Math.max(0, short - perWord);
    return prompts;
  }

  /** A prompt was counted. */
  note(words: number, tokens: number): void {
    this.#prompts++;
    this.#words += words;
    this.#tokens += tokens;
  }

  ofTokens(tokens: number): { prompt: string; words: number } {
    const perWord = (this.#tokens - this.#prompts * this.#overheadTokens) / this.#words;
    const wordTokens = Math.max(TOKENS_PER_WORD_MIN, perWord);
    const words = Math.max(1, Math.floor((tokens - this.#overheadTokens) / wordTokens));
    return { prompt: randomWords(this.#random, words), words };
  }
}

/** Words of three letters each, with nothing in common with others. */
export function randomWords(random: Random, count: number): string {
  const letter = (): string => String.fromCodePoint(97 + random.between(0, 25));
  return Array.from({ length: count }, () => letter() + letter() + letter()).join(" ");
}
