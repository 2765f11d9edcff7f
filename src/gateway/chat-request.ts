import { isUtf8 } from "node:buffer";
import type { HeadgateError } from "../core/errors.ts";

/** What the scheduler and the answer need to know of a chat completion request, whoever serves it. */
export interface ChatRequest {
  /** As the client named it. */
  model: string;
  stream: boolean;
  /** Whether the client asked for a last chunk with the usage. */
  includeUsage: boolean;
  /** Ceiling on generated tokens of each choice; null when the client named none. */
  maxTokens: number | null;
  choices: number;
  /** Upper bound of the prompt's length in tokens. */
  promptTokensMax: number;
  /** The body as it was sent, for whoever needs more of it. */
  document: Readonly<Record<string, unknown>>;
}

/** Tokens that a chat template may put around each message, and around the whole. */
const TEMPLATE_TOKENS = 16;
const MODEL_NAME_LENGTH_MAX = 256;

export function invalid(param: string, message: string): HeadgateError {
  return { code: "invalid_request", message, param };
}

/** Reads a body as far as every endpoint needs it; the rest is `readPrompt`'s, or a remote API's. */
export function readChatRequest(body: Buffer): ChatRequest | HeadgateError {
  const document = parseObject(body);
  if (document === null) {
    return { code: "invalid_request", message: "The body is not a JSON object in UTF-8." };
  }
  const { model, messages } = document;
  if (typeof model !== "string" || model === "" || model.length > MODEL_NAME_LENGTH_MAX) {
    return invalid("model", "`model` must be the name of a model.");
  }
  if (!Array.isArray(messages) || messages.length === 0) {
    return invalid("messages", "`messages` must be an array of at least one message.");
  }
  const stream = document["stream"] ?? false;
  if (typeof stream !== "boolean") return invalid("stream", "`stream` must be a boolean.");
  const includeUsage = readIncludeUsage(document, stream);
  if (typeof includeUsage !== "boolean") return includeUsage;
  const maxTokens = readMaxTokens(document);
  if (typeof maxTokens === "object" && maxTokens !== null) return maxTokens;
  const choices = document["n"] ?? 1;
  if (!isCount(choices)) return invalid("n", "`n` must be a positive integer.");
  return {
    model,
    stream,
    includeUsage,
    maxTokens,
    choices,
    promptTokensMax: promptTokensMax(messages),
    document,
  };
}

function parseObject(body: Buffer): Record<string, unknown> | null {
  if (!isUtf8(body)) return null;
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function readIncludeUsage(document: Record<string, unknown>, stream: boolean): boolean | HeadgateError {
  const options = document["stream_options"] ?? null;
  if (options === null) return false;
  if (!isObject(options)) return invalid("stream_options", "`stream_options` must be an object.");
  if (!stream) return invalid("stream_options", "`stream_options` is only allowed when `stream` is true.");
  const includeUsage = options["include_usage"] ?? false;
  if (typeof includeUsage !== "boolean") {
    return invalid("stream_options.include_usage", "`stream_options.include_usage` must be a boolean.");
  }
  return includeUsage;
}

function readMaxTokens(document: Record<string, unknown>): number | null | HeadgateError {
  const older = document["max_tokens"] ?? null;
  const newer = document["max_completion_tokens"] ?? null;
  if (older !== null && !isCount(older)) {
    return invalid("max_tokens", "`max_tokens` must be a positive integer.");
  }
  if (newer !== null && !isCount(newer)) {
    return invalid("max_completion_tokens", "`max_completion_tokens` must be a positive integer.");
  }
  if (older !== null && newer !== null && older !== newer) {
    return invalid("max_tokens", "`max_tokens` and `max_completion_tokens` contradict each other.");
  }
  return newer ?? older;
}

/**
 * No tokenizer makes more tokens of a text than it has bytes in UTF-8. What is not text (an
 * image for a remote API) is counted by the bytes that describe it.
 */
function promptTokensMax(messages: unknown[]): number {
  let tokens = TEMPLATE_TOKENS;
  for (const message of messages) {
    tokens += TEMPLATE_TOKENS;
    const content = (isObject(message) ? message["content"] : null) ?? null;
    if (typeof content === "string") tokens += Buffer.byteLength(content);
    else if (content !== null) tokens += Buffer.byteLength(JSON.stringify(content));
  }
  return tokens;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
