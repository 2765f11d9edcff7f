import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import { fitEngine, type FittedEngine } from "./fit-engine.ts";
import { measure, type Measurements, type MeasuringPlan } from "./measure.ts";
import type { EngineFacts, MeasuredEngine, MixedBatching } from "./measured-engine.ts";

/** What a calibration came to. */
export interface Calibration extends FittedEngine {
  profile: EngineProfile;
}

/** What nobody can measure, or the engine does not say. */
export interface CalibrationFacts {
  name: string;
  kvTokens?: number;
  sequencesMax?: number;
  contextTokens?: number;
  tokensPerStepMax?: number;
  blockTokens?: number;
  startUs?: number;
}

export interface CalibrationOptions {
  /** Alike, and measured at the same time: what they take from each other is part of what they take. */
  engines: readonly [MeasuredEngine, ...MeasuredEngine[]];
  facts: CalibrationFacts;
  /** The largest batch to measure; never more than the engine takes. */
  batchMax: number;
  /** The longest prompt to measure, in tokens; never more than fits. */
  promptTokensMax: number;
}

/** What vLLM has if nothing else is said: its documentation's defaults. */
const SEQUENCES_DEFAULT = 256;
const TOKENS_PER_STEP_DEFAULT = 2_048;
const BLOCK_TOKENS_DEFAULT = 16;
const PROMPT_TOKENS_LEAST = 16;
const OUTPUT_TOKENS = 48;
/** An 8B model with grouped-query attention in 16 bits: 32 layers × 8 heads × 128 × 2 × 2 bytes. */
const BYTES_PER_KV_TOKEN_DEFAULT = 131_072;
const PREFILL_LENGTHS = 12;

/** Measures engines, once or now and then, and fits the terms of `EngineProfile` to all that was measured. */
export class Calibrator {
  readonly #options: CalibrationOptions;
  readonly #limits: Limits;
  readonly #measured: Measurements = { prefill: [], decode: [] };

  /** Throws when a fact is missing. */
  constructor(options: CalibrationOptions) {
    this.#options = options;
    this.#limits = limitsOf(options.engines[0].facts, options.facts);
  }

  /** Each point is measured in so many rounds, and its median counts. Rejects when an engine fails. */
  async measure(
    rounds: number,
    { signal, onProgress }: { signal: AbortSignal; onProgress?: (done: number, of: number) => void },
  ): Promise<void> {
    const { engines } = this.#options;
    const plan = planOf(this.#limits, { ...this.#options, rounds });
    const measured = await Promise.all(
      engines.map((engine, i) => {
        return measure({ engine, plan, signal, onProgress: i === 0 ? onProgress : undefined });
      }),
    );
    for (const { prefill, decode } of measured) {
      this.#measured.prefill.push(...prefill);
      this.#measured.decode.push(...decode);
    }
  }

  /** Throws when nothing was measured. */
  result(): Calibration {
    const { engines, facts } = this.#options;
    const fit = fitEngine(this.#measured, this.#limits.batching);
    return { ...fit, profile: profileOf(fit, { limits: this.#limits, facts, engine: engines[0].facts }) };
  }
}

function profileOf(
  { figures }: FittedEngine,
  { limits, facts, engine }: { limits: Limits; facts: CalibrationFacts; engine: EngineFacts },
): EngineProfile {
  return {
    name: facts.name,
    source: `headgate calibrate: ${engine.description}`,
    ...figures,
    ...limits,
    prefixCache: true,
    startUs: facts.startUs ?? 0,
    bytesPerKvToken: engine.bytesPerKvToken ?? BYTES_PER_KV_TOKEN_DEFAULT,
  };
}

interface Limits {
  kvTokens: number;
  blockTokens: number;
  sequencesMax: number;
  contextTokens: number;
  batching: MixedBatching;
}

function limitsOf(own: EngineFacts, given: CalibrationFacts): Limits {
  const contextTokens = given.contextTokens ?? own.contextTokens;
  if (contextTokens === null)
    throw new Error("The engine does not say how long its context is: give --context-tokens.");
  const kvTokens = given.kvTokens ?? own.kvTokens;
  if (kvTokens === null)
    throw new Error("The engine does not say how large its KV cache is: give --kv-tokens.");
  return {
    contextTokens,
    kvTokens,
    sequencesMax: given.sequencesMax ?? own.sequencesMax ?? SEQUENCES_DEFAULT,
    blockTokens: given.blockTokens ?? own.blockTokens ?? BLOCK_TOKENS_DEFAULT,
    batching: {
      ...(own.batching ?? { kind: "mixed", tokensPerStepMax: TOKENS_PER_STEP_DEFAULT }),
      ...(given.tokensPerStepMax === undefined ? {} : { tokensPerStepMax: given.tokensPerStepMax }),
    },
  };
}

function planOf(
  { contextTokens, kvTokens, sequencesMax }: Limits,
  { rounds, batchMax, promptTokensMax }: CalibrationOptions & { rounds: number },
): MeasuringPlan {
  // Prompts are of about the length that is asked for: some room is left.
  const longest = Math.min(promptTokensMax, Math.floor(contextTokens * 0.9) - 1);
  const outputTokens = Math.min(OUTPUT_TOKENS, Math.floor(contextTokens / 4));
  const roomBeforeAnswer = Math.floor((contextTokens - outputTokens) * 0.9);
  const longContext = Math.min(promptTokensMax, roomBeforeAnswer);
  const batches = powersOfTwo(Math.min(batchMax, sequencesMax)).filter((batch) => {
    return batch * (longContext + outputTokens) <= kvTokens;
  });
  return {
    prefillTokens: geometric(Math.min(PROMPT_TOKENS_LEAST, longest), longest, PREFILL_LENGTHS),
    batches,
    decodeContexts: [
      ...new Set([Math.min(PROMPT_TOKENS_LEAST, longContext), Math.ceil(longContext / 2), longContext]),
    ],
    rounds,
    outputTokens,
    seed: Date.now() % 2 ** 32,
  };
}

/** 1, 2, 4 … and the bound itself. */
function powersOfTwo(bound: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power < bound; power *= 2) powers.push(power);
  return [...powers, bound];
}

/** Whole numbers from the first to the last, each about as many times as long as the one before. */
function geometric(first: number, last: number, count: number): number[] {
  const values = Array.from({ length: count }, (_, i) =>
    Math.round(first * (last / first) ** (i / (count - 1))),
  );
  return [...new Set(values)];
}
