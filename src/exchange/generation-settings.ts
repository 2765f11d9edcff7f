import type { HeadgateError } from "../core/errors.ts";
import { invalid, isObject } from "./client-request.ts";
import type { Document } from "./client-request.ts";
import type { Prompt, Sampling } from "./prompt.ts";

/** What chat completions and completions say in the same words about how to generate. */
export type GenerationSettings = Pick<Prompt, "sampling" | "stop" | "ignoreEos" | "logitBias">;

interface Range {
  min: number;
  max: number;
  integer?: true;
  /** Whether `min` itself is too little. */
  minExcluded?: true;
}

/** OpenAI's limits; for `top_k`, `min_p` and `repetition_penalty`, which OpenAI lacks, vLLM's. */
const SAMPLING_RANGES: Record<keyof Sampling, Range> = {
  temperature: { min: 0, max: 2 },
  top_p: { min: 0, max: 1 },
  top_k: { min: -1, max: 1_000_000, integer: true },
  min_p: { min: 0, max: 1 },
  seed: { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, integer: true },
  presence_penalty: { min: -2, max: 2 },
  frequency_penalty: { min: -2, max: 2 },
  // Logits are divided by it.
  repetition_penalty: { min: 0, max: 2, minExcluded: true },
};

const SAMPLING_NAMES = Object.keys(SAMPLING_RANGES) as (keyof Sampling)[];
const STOPS_MAX = 4;
const BIASED_TOKENS_MAX = 1_024;
const BIAS_MAX = 100;
export const TOP_LOGPROBS_MAX = 20;

/** Parameters that are read elsewhere, or without influence on what our models answer. */
const ACCEPTED = new Set<string>([
  ...SAMPLING_NAMES,
  ..."model stream stream_options max_tokens n stop ignore_eos logit_bias user".split(" "),
  "prompt_cache_key",
  "session_id",
]);

/** What else one address takes; and what it takes only with a value that asks for what is done anyway. */
export interface KnownParameters {
  /** In words, as in `chat completions`. */
  address: string;
  accepted: ReadonlySet<string>;
  neutral: Record<string, (value: unknown) => boolean>;
}

/** A parameter that nobody knows, or that would change the answer in a way we can't. */
export function findUnsupported(document: Document, known: KnownParameters): HeadgateError | null {
  for (const name in document) {
    if (ACCEPTED.has(name) || known.accepted.has(name) || document[name] === null) continue;
    const isNeutral = Object.hasOwn(known.neutral, name) ? known.neutral[name] : undefined;
    if (isNeutral === undefined) return invalid(name, `\`${name}\` is not a parameter of ${known.address}.`);
    if (!isNeutral(document[name])) {
      return invalid(name, `\`${name}\` is not supported by this model with the value given.`);
    }
  }
  return null;
}

export function readGenerationSettings(document: Document): GenerationSettings | HeadgateError {
  const sampling = readSampling(document);
  if ("code" in sampling) return sampling;
  const stop = readStop(document["stop"] ?? []);
  if ("code" in stop) return stop;
  const ignoreEos = document["ignore_eos"] ?? false;
  if (typeof ignoreEos !== "boolean") return invalid("ignore_eos", "`ignore_eos` must be a boolean.");
  const logitBias = readLogitBias(document["logit_bias"] ?? {});
  if (logitBias === undefined) {
    const allowed = `at most ${BIASED_TOKENS_MAX} token ids, each with a number from -${BIAS_MAX} to ${BIAS_MAX}`;
    return invalid("logit_bias", `\`logit_bias\` must be an object of ${allowed}.`);
  }
  return { sampling, stop, ignoreEos, logitBias };
}

function readSampling(document: Document): Sampling | HeadgateError {
  const sampling: Sampling = {};
  for (const name of SAMPLING_NAMES) {
    const value = document[name] ?? null;
    if (value === null) continue;
    const range = SAMPLING_RANGES[name];
    if (typeof value !== "number" || !isWithin(value, range)) {
      return invalid(name, `\`${name}\` must be ${rangeInWords(range)}.`);
    }
    sampling[name] = value;
  }
  return sampling;
}

function isWithin(value: number, { min, max, integer, minExcluded }: Range): boolean {
  if (value < min || value > max) return false;
  if (minExcluded && value === min) return false;
  return integer === undefined || Number.isSafeInteger(value);
}

function rangeInWords({ min, max, integer, minExcluded }: Range): string {
  const kind = integer === undefined ? "a number" : "an integer";
  return minExcluded ? `${kind} above ${min} and at most ${max}` : `${kind} from ${min} to ${max}`;
}

function readStop(stop: unknown): string[] | HeadgateError {
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop];
  if (stops.length > STOPS_MAX) return invalid("stop", `\`stop\` may hold at most ${STOPS_MAX} strings.`);
  if (!stops.every((one) => typeof one === "string" && one !== "")) {
    return invalid("stop", "`stop` must be a string or an array of strings, none of them empty.");
  }
  return stops as string[];
}

/** Null when nothing is biased, undefined when it can't be read. */
function readLogitBias(bias: unknown): Record<string, number> | null | undefined {
  if (!isObject(bias)) return undefined;
  const entries = Object.entries(bias);
  if (entries.length === 0) return null;
  const isFine = entries.every(
    ([id, value]) => /^\d{1,9}$/.test(id) && typeof value === "number" && Math.abs(value) <= BIAS_MAX,
  );
  return isFine && entries.length <= BIASED_TOKENS_MAX ? (bias as Record<string, number>) : undefined;
}
