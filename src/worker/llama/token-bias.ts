import type { LlamaModel } from "node-llama-cpp";
import { TokenBias } from "node-llama-cpp";

/** OpenAI's figures for a ban and for the only choice. */
const BAN = -100;
const FORCE = 100;
/**
 * Far beyond any logit, and yet a number: were everything that a grammar allows at minus
 * infinity, there would be no distribution left to draw from.
 */
const BAN_LOGIT = -10_000;
const FORCE_LOGIT = 1_000;

/** The library's form of biases, by token id. */
export function tokenBias(model: LlamaModel, biases: ReadonlyMap<number, number>): TokenBias {
  const result = TokenBias.for(model);
  // Its public way in leaves out tokens that end an answer; clients ban those to get long ones.
  const { _biases: logits } = result as unknown as { _biases: Map<number, number> };
  for (const [id, bias] of biases) logits.set(id, logitOf(bias));
  return result;
}

function logitOf(bias: number): number {
  if (bias <= BAN) return BAN_LOGIT;
  return bias >= FORCE ? FORCE_LOGIT : bias;
}
