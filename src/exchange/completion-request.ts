import type { HeadgateError } from "../core/errors.ts";
import { invalid, isCount, parseBody, readCeiling, readCommon } from "./client-request.ts";
import type { ClientRequest, Document } from "./client-request.ts";
import { findUnsupported, readGenerationSettings, TOP_LOGPROBS_MAX } from "./generation-settings.ts";
import type { KnownParameters } from "./generation-settings.ts";
import type { Prompt } from "./prompt.ts";

/** OpenAI's ceiling where a client names none. */
const MAX_TOKENS_DEFAULT = 16;
/** What a tokenizer may put in front of a text. */
const START_TOKENS = 16;

const COMPLETIONS: KnownParameters = {
  address: "completions",
  accepted: new Set(["prompt", "logprobs"]),
  neutral: {
    // Both together are refused by what reads `n`.
    best_of: isCount,
    echo: (value) => value === false,
    suffix: (value) => value === "",
  },
};

/** Reads the body of a completion as far as every endpoint needs it. */
export function readCompletionRequest(body: Buffer): ClientRequest | HeadgateError {
  const parsed = parseBody(body);
  if ("code" in parsed) return parsed;
  const { document } = parsed;
  const common = readCommon(document);
  if ("code" in common) return common;
  const input = readInput(document["prompt"]);
  if ("code" in input) return input;
  const maxTokens = readCeiling(document, "max_tokens");
  if (typeof maxTokens === "object" && maxTokens !== null) return maxTokens;
  // More candidates would be generated, and paid for, than the client is given.
  const bestOf = document["best_of"] ?? common.choices;
  if (bestOf !== common.choices) return invalid("best_of", "`best_of` must be as many as `n`, or left out.");
  const promptTokensMax =
    "text" in input ? START_TOKENS + Buffer.byteLength(input.text) : START_TOKENS + input.tokens.length;
  return {
    surface: "completion",
    ...common,
    maxTokens: maxTokens ?? MAX_TOKENS_DEFAULT,
    promptTokensMax,
    document,
  };
}

/** What a worker is sent for this completion, or why no worker can serve it. */
export function readCompletionPrompt(document: Document): Prompt | HeadgateError {
  const unsupported = findUnsupported(document, COMPLETIONS);
  if (unsupported !== null) return unsupported;
  const input = readInput(document["prompt"]);
  if ("code" in input) return input;
  const settings = readGenerationSettings(document);
  if ("code" in settings) return settings;
  const topLogprobs = document["logprobs"] ?? null;
  if (topLogprobs !== null && !isCandidateCount(topLogprobs)) {
    return invalid("logprobs", `\`logprobs\` must be an integer from 0 to ${TOP_LOGPROBS_MAX}.`);
  }
  return { ...settings, input, grammar: null, topLogprobs, toolCalls: "none" };
}

type Input = { text: string } | { tokens: number[] };

/** One prompt: a string or token ids, perhaps in an array of its own. */
function readInput(prompt: unknown): Input | HeadgateError {
  const isWrapped = Array.isArray(prompt) && typeof prompt[0] !== "number";
  if (isWrapped && prompt.length > 1) {
    return invalid("prompt", "Send one prompt in each request: they are scheduled side by side anyway.");
  }
  const one: unknown = isWrapped ? prompt[0] : prompt;
  if (typeof one === "string" && one !== "") return { text: one };
  if (Array.isArray(one) && one.length > 0 && one.every(isTokenId)) return { tokens: one };
  return invalid("prompt", "`prompt` must be a string or an array of token ids, and not empty.");
}

function isTokenId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0;
}

function isCandidateCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= TOP_LOGPROBS_MAX;
}
