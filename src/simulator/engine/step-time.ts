import type { EngineProfile } from "../engine-profiles/engine-profile.ts";

/** What a step does, as far as its duration depends on it. */
export interface StepWork {
  /** Sequences that get a token, and the tokens that are in their contexts together. */
  batch: number;
  contextTokens: number;
  /** Prompts that are read, each from one position to another. */
  chunks: readonly { from: number; to: number }[];
}

/** Duration of a step by the profile's formula, in µs, before noise. */
export function stepUs(profile: EngineProfile, work: StepWork): number {
  const us = isSplit(profile, work)
    ? partsOf(work).reduce((sum, part) => sum + formulaUs(profile, part), 0)
    : formulaUs(profile, work);
  return Math.max(profile.stepUsMin ?? 0, us);
}

function isSplit({ batching }: EngineProfile, { batch, chunks }: StepWork): boolean {
  const { firstTokensTogether = false } = batching.kind === "mixed" ? batching : {};
  return firstTokensTogether && chunks.length > 0 && batch + chunks.length > 1;
}

/** One token of each sequence, as in answers; then what is left of the prompts' chunks. */
function partsOf({ batch, contextTokens, chunks }: StepWork): StepWork[] {
  let firstContexts = 0;
  for (const { from } of chunks) firstContexts += from + 1;
  const first = {
    batch: batch + chunks.length,
    contextTokens: contextTokens + firstContexts,
    chunks: [],
  };
  const rests = chunks.map(({ from, to }) => ({ from: from + 1, to })).filter(({ from, to }) => to > from);
  return rests.length === 0 ? [first] : [first, { batch: 0, contextTokens: 0, chunks: rests }];
}

function formulaUs(profile: EngineProfile, { batch, contextTokens, chunks }: StepWork): number {
  const [p0, p1, p2] = profile.prefillUs;
  let prefillUs = 0;
  for (const { from, to } of chunks) prefillUs += p1 * (to - from) + p2 * (to * to - from * from);
  const [d0, d1, d2] = decodeFigures(profile, batch);
  const decodeUs = batch === 0 ? 0 : d1 * batch + d2 * contextTokens;
  const prefillBase = chunks.length === 0 ? 0 : p0;
  // A step in which choices merely wait for their turn costs what an empty one does.
  const decodeBase = batch === 0 && chunks.length > 0 ? 0 : d0;
  return Math.max(prefillBase, decodeBase) + prefillUs + decodeUs;
}

function decodeFigures({ decodeUs, decodeLarge }: EngineProfile, batch: number): EngineProfile["decodeUs"] {
  return decodeLarge !== undefined && batch >= decodeLarge.batchMin ? decodeLarge.decodeUs : decodeUs;
}

/**
 * Factors on the durations of an engine's steps: log-normal with mean 1. The same seed and number give the same factor,
 * in whatever order they are asked for, so a step that is looked at twice takes as long both times.
 */
export class StepNoise {
  readonly #seed: number;
  readonly #deviation: number;
  readonly #shift: number;

  /** `deviation`: the relative standard deviation; 0 for none. */
  constructor(options: { seed: number; deviation: number }) {
    this.#seed = options.seed >>> 0;
    const variance = Math.log(1 + options.deviation ** 2);
    this.#deviation = Math.sqrt(variance);
    this.#shift = -variance / 2;
  }

  factor(step: number): number {
    if (this.#deviation === 0) return 1;
    const first = mix(this.#seed ^ mix(step));
    const second = mix(first ^ 0x68bc21eb);
    // By Box and Muller; 1 is added so that the logarithm is finite.
    const normal =
      Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * second) / 2 ** 32);
    return Math.exp(this.#shift + this.#deviation * normal);
  }
}

/** A bijection of 32-bit numbers without visible order. */
function mix(value: number): number {
  let mixed = Math.imul((value >>> 0) ^ (value >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
