import { createHash } from "node:crypto";
import type { Detokenizer, EngineModel, Sampling } from "../engine.ts";
import { RequestError } from "../errors.ts";
import { StopMatcher } from "../stop-matcher.ts";
import { samplerSeed } from "../wire.ts";

/** An answer that was begun elsewhere. */
export interface Continuation {
  /** The answer so far: the position that it goes on from is their number. */
  tokens: readonly number[];
  /** Where its KV state may be had from. */
  stateUrl: URL | null;
}

/** Nothing was generated elsewhere. */
export const FROM_START: Continuation = { tokens: [], stateUrl: null };

/** Refuses continuations that can't be what they say. Throws {@link RequestError}. */
export function checkContinuation(options: {
  model: EngineModel;
  continued: Continuation;
  choices: number;
  maxTokens: number;
}): void {
  const { model, continued, choices, maxTokens } = options;
  const { vocabulary } = model.description;
  const { tokens } = continued;
  if (choices > 1) throw notContinuable("Only a single choice goes on from another worker's tokens.", "n");
  const unknown = tokens.find((token) => token >= vocabulary);
  if (unknown !== undefined) {
    const message = `There is no token ${unknown}; there are ${vocabulary}.`;
    throw new RequestError("invalid_request", message, "continue.tokens");
  }
  if (tokens.length < maxTokens) return;
  throw notContinuable(`The answer has ${tokens.length} tokens; it may have ${maxTokens} in all.`);
}

export function notContinuable(message: string, param = "continue.tokens"): RequestError {
  return new RequestError("not_continuable", message, param);
}

/** What makes text of an answer's tokens. */
export interface AnswerText {
  detokenizer: Detokenizer;
  stop: StopMatcher;
}

/**
 * As it is after the tokens so far: what these said is not said again, and characters and stop
 * strings that are incomplete after them go on. Throws {@link RequestError} when a stop string is
 * complete already.
 */
export function answerText(options: {
  model: EngineModel;
  prompt: readonly number[];
  stop: readonly string[];
  generated: readonly number[];
}): AnswerText {
  const { model, prompt, generated } = options;
  const detokenizer = model.detokenizer(prompt);
  const stop = new StopMatcher(options.stop);
  for (const token of generated) stop.push(detokenizer.push(token));
  if (stop.matched) throw notContinuable("The tokens have a stop string, which ends the answer.");
  return { detokenizer, stop };
}

/**
 * The sampling from position n on. A sampler's random numbers can't be taken up in their middle,
 * so others take their place, which depend on nothing but the seed and the position: the seed is
 * the first 32 bits, the lowest byte first, of SHA-256 over seed and n, each as 32 bits with the
 * lowest byte first. At position 0 it is the seed itself.
 */
export function samplingFrom(position: number, sampling: Sampling): Sampling {
  if (position === 0) return sampling;
  const words = Buffer.alloc(8);
  words.writeUInt32LE(sampling.seed, 0);
  words.writeUInt32LE(position, 4);
  const derived = createHash("sha256").update(words).digest().readUInt32LE(0);
  return { ...sampling, seed: samplerSeed(BigInt(derived)) };
}
