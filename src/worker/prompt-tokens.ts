import type { EngineModel } from "./engine.ts";
import { PromptError, PromptTooLongError } from "./engine.ts";
import { RequestError } from "./errors.ts";
import type { Prompt } from "./wire.ts";

/**
 * The prompt as tokens that fit into the model's context. Everything else waits meanwhile, so a
 * prompt that is far too long is refused by its size, before anything is made of it.
 * Throws {@link RequestError}.
 */
export function promptTokens(model: EngineModel, prompt: Prompt): number[] {
  const { contextTokens } = model.description;
  if (tokensAtLeast(model, prompt) > contextTokens) throw tooLong(contextTokens);
  try {
    if ("tokens" in prompt) return knownTokens(model, prompt.tokens);
    if ("text" in prompt) return model.tokenize(prompt.text);
    return model.renderChat(prompt.messages, prompt.tools);
  } catch (error) {
    if (error instanceof PromptTooLongError) throw tooLong(contextTokens);
    if (error instanceof PromptError) throw new RequestError("invalid_request", error.message, "messages");
    throw error;
  }
}

/**
 * A bound that costs next to nothing: each message brings at least one token of the template,
 * and no token stands for more bytes than the longest. (A template may leave out white space
 * or old thoughts; of so many bytes as are refused here it would have to leave out most.)
 */
function tokensAtLeast(model: EngineModel, prompt: Prompt): number {
  if ("tokens" in prompt) return prompt.tokens.length;
  const { longestTokenBytes } = model.description;
  if ("text" in prompt) return Buffer.byteLength(prompt.text) / longestTokenBytes;
  const bytes = prompt.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  return Math.max(prompt.messages.length, bytes / longestTokenBytes);
}

function tooLong(contextTokens: number): RequestError {
  return new RequestError(
    "context_length_exceeded",
    `The prompt has more than ${contextTokens} tokens; the context holds ${contextTokens}, answer included.`,
    "prompt",
  );
}

function knownTokens(model: EngineModel, tokens: number[]): number[] {
  const { vocabulary } = model.description;
  const unknown = tokens.find((token) => token >= vocabulary);
  if (unknown === undefined) return tokens;
  throw new RequestError(
    "invalid_request",
    `There is no token ${unknown}; there are ${vocabulary}.`,
    "prompt.tokens",
  );
}
