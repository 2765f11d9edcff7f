import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import { fitRelative, fitted, type Observation } from "./fit.ts";
import { type DecodePoint, measure, type MeasuringPlan, type PrefillPoint } from "./measure.ts";
import type { EngineFacts, MeasuredEngine } from "./measured-engine.ts";

/** What a calibration came to. */
export interface Calibration {
  profile: EngineProfile;
  prefill: FittedPoint<PrefillPoint>[];
  decode: FittedPoint<DecodePoint>[];
  /** Mean of |fitted − measured| / measured. */
  prefillError: number;
  decodeError: number;
}

export type FittedPoint<Point> = Point & { fittedUs: number };

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
  engine: MeasuredEngine;
  facts: CalibrationFacts;
  rounds: number;
  /** The largest batch to measure; never more than the engine takes. */
  batchMax: number;
  /** The longest prompt to measure, in tokens; never more than fits. */
  promptTokensMax: number;
  signal: AbortSignal;
  onProgress: (done: number, of: number) => void;
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

/** Measures an engine and fits the terms of `EngineProfile` to it. Rejects when the engine fails, or a fact is missing. */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const { engine, signal, onProgress } = options;
  const limits = limitsOf(engine.facts, options.facts);
  const measurements = await measure({ engine, plan: planOf(limits, options), signal, onProgress });
  const { tokensPerStepMax } = limits;
  // What a request takes besides steps, such as HTTP and tokenising, looks like p0 where each prompt is one step.
  const hasSteps = measurements.prefill.some(({ tokens }) => tokens > tokensPerStepMax);
  const prefill = fitPoints(measurements.prefill, ({ tokens }) => {
    return [...prefillTerms(tokens, tokensPerStepMax), hasSteps ? 1 : 0];
  });
  const decode = fitPoints(measurements.decode, ({ batch, contextTokens }) => [1, batch, contextTokens]);
  const profile: EngineProfile = {
    name: options.facts.name,
    source: `headgate calibrate: ${engine.facts.description}`,
    prefillUs: firstThree(prefill.coefficients),
    decodeUs: firstThree(decode.coefficients),
    queueUs: [prefill.coefficients[3] ?? 0, 0],
    kvTokens: limits.kvTokens,
    blockTokens: limits.blockTokens,
    sequencesMax: limits.sequencesMax,
    contextTokens: limits.contextTokens,
    batching: { kind: "mixed", tokensPerStepMax },
    prefixCache: true,
    startUs: options.facts.startUs ?? 0,
    bytesPerKvToken: engine.facts.bytesPerKvToken ?? BYTES_PER_KV_TOKEN_DEFAULT,
  };
  return {
    profile,
    prefill: prefill.points,
    decode: decode.points,
    prefillError: prefill.meanError,
    decodeError: decode.meanError,
  };
}

/** Reading T tokens takes ⌈T/C⌉ steps of p0, and p1·T + p2·T² in all. */
export function prefillTerms(tokens: number, tokensPerStepMax: number): [number, number, number] {
  return [Math.ceil(tokens / tokensPerStepMax), tokens, tokens ** 2];
}

interface Limits {
  kvTokens: number;
  blockTokens: number;
  sequencesMax: number;
  contextTokens: number;
  tokensPerStepMax: number;
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
    tokensPerStepMax: given.tokensPerStepMax ?? own.chunkTokens ?? TOKENS_PER_STEP_DEFAULT,
  };
}

function planOf(
  { contextTokens, kvTokens, sequencesMax }: Limits,
  { rounds, batchMax, promptTokensMax }: CalibrationOptions,
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

function fitPoints<Point extends { us: number }>(
  points: readonly Point[],
  termsOf: (point: Point) => number[],
): { coefficients: number[]; meanError: number; points: FittedPoint<Point>[] } {
  const observations: Observation[] = points.map((point) => ({ terms: termsOf(point), measured: point.us }));
  const { coefficients, meanError } = fitRelative(observations);
  return {
    coefficients,
    meanError,
    points: points.map((point, i) => ({ ...point, fittedUs: fitted(observations[i]!.terms, coefficients) })),
  };
}

function firstThree([first = 0, second = 0, third = 0]: readonly number[]): [number, number, number] {
  return [first, second, third];
}
