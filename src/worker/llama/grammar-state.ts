import type { LlamaGrammar, LlamaModel, Token } from "node-llama-cpp";
import { LlamaGrammarEvaluationState } from "node-llama-cpp";
import { NotContinuableError } from "../engine.ts";
import { toTokens } from "./token.ts";

/** The part of the library's bindings that takes tokens which nobody samples here. */
interface GrammarBindings {
  AddonSampler: {
    canBeNextTokenForGrammarEvaluationState(state: object, token: Token): boolean;
    acceptGrammarEvaluationStateToken(state: object, token: Token): void;
  };
}

/**
 * How far an answer has come in its grammar after the tokens it has. Each answer needs a state of
 * its own. Throws {@link NotContinuableError} at a token that the grammar doesn't allow there.
 */
export function grammarStateAfter(options: {
  model: LlamaModel;
  grammar: LlamaGrammar;
  generated: readonly number[];
}): LlamaGrammarEvaluationState {
  const { model, grammar, generated } = options;
  const state = new LlamaGrammarEvaluationState({ model, grammar });
  // The library has no public way in: it feeds tokens only as it samples them.
  const { AddonSampler } = (model.llama as unknown as { _bindings: GrammarBindings })._bindings;
  const { _state: inner } = state as unknown as { _state: object };
  for (const [index, token] of toTokens(generated).entries()) {
    if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(inner, token)) {
      throw new NotContinuableError(`Token number ${index} is none that the grammar allows there.`);
    }
    AddonSampler.acceptGrammarEvaluationStateToken(inner, token);
  }
  return state;
}
