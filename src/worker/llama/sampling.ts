import type { LlamaGrammar, LlamaModel, SequenceEvaluateOptions } from "node-llama-cpp";
import type { Sampling } from "../engine.ts";
import { grammarStateAfter } from "./grammar-state.ts";
import { tokenBias } from "./token-bias.ts";
import { toTokens } from "./token.ts";

/**
 * node-llama-cpp's form of the sampling options. Everything is given explicitly, because its
 * own defaults (top_k 40, top_p 0.95) would shape answers nobody asked to be shaped, and a
 * missing seed would be taken from the clock anew for every token.
 *
 * `generated` is read before each token and has to be the tokens so far, in order. Throws
 * NotContinuableError when the grammar doesn't allow those that are there already.
 */
export function evaluateOptions(options: {
  model: LlamaModel;
  sampling: Sampling;
  grammar: LlamaGrammar | null;
  generated: readonly number[];
  contextTokens: number;
}): SequenceEvaluateOptions {
  const { model, sampling, grammar, generated, contextTokens } = options;
  return {
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    minP: sampling.minP,
    seed: sampling.seed,
    // The end is ours to notice: an answer may be asked to go on past it.
    yieldEogToken: true,
    ...(penalises(sampling)
      ? {
          repeatPenalty: {
            penalty: sampling.repetitionPenalty,
            presencePenalty: sampling.presencePenalty,
            frequencyPenalty: sampling.frequencyPenalty,
            punishTokens: () => toTokens(generated),
            maxPunishTokens: contextTokens,
          },
        }
      : {}),
    ...(sampling.logitBias.size > 0 ? { tokenBias: tokenBias(model, sampling.logitBias) } : {}),
    ...(grammar === null ? {} : { grammarEvaluationState: grammarStateAfter({ model, grammar, generated }) }),
  };
}

function penalises(sampling: Sampling): boolean {
  return (
    sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0 || sampling.repetitionPenalty !== 1
  );
}
