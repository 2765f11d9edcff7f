import type { HeadgateError } from "../core/errors.ts";
import { invalid, isObject, parseBody, readCeiling, readCommon } from "./client-request.ts";
import type { ClientRequest, Document } from "./client-request.ts";

/** Tokens that a chat template may put around the whole: some have a system text of their own. */
const TEMPLATE_TOKENS = 128;
/** And around each message. */
const MESSAGE_TOKENS = 16;
/** And around a call of a tool, or its result. */
const TOOL_MESSAGE_TOKENS = 64;
/** And to tell a model about tools in general. */
const TOOLS_PREAMBLE_TOKENS = 1_024;
/** For each level, where a template writes JSON indented. */
const INDENT_BYTES = 4;

/** Reads the body of a chat completion as far as every endpoint needs it; the rest is `readChatPrompt`'s, or a remote API's. */
export function readChatRequest(body: Buffer): ClientRequest | HeadgateError {
  const parsed = parseBody(body);
  if ("code" in parsed) return parsed;
  const { document } = parsed;
  const common = readCommon(document);
  if ("code" in common) return common;
  const { messages } = document;
  if (!Array.isArray(messages) || messages.length === 0) {
    return invalid("messages", "`messages` must be an array of at least one message.");
  }
  const maxTokens = readMaxTokens(document);
  if (typeof maxTokens === "object" && maxTokens !== null) return maxTokens;
  const promptTokensMax = messagesTokensMax(messages) + toolsTokensMax(document);
  return { surface: "chat", ...common, maxTokens, promptTokensMax, document };
}

function readMaxTokens(document: Document): number | null | HeadgateError {
  const older = readCeiling(document, "max_tokens");
  if (typeof older === "object" && older !== null) return older;
  const newer = readCeiling(document, "max_completion_tokens");
  if (typeof newer === "object" && newer !== null) return newer;
  if (older !== null && newer !== null && older !== newer) {
    return invalid("max_tokens", "`max_tokens` and `max_completion_tokens` contradict each other.");
  }
  return newer ?? older;
}

/**
 * No tokenizer makes more tokens of a text than it has bytes in UTF-8. What is not text (an
 * image for a remote API) is counted by the bytes that describe it.
 */
function messagesTokensMax(messages: readonly unknown[]): number {
  let tokens = TEMPLATE_TOKENS;
  for (const message of messages) {
    tokens += MESSAGE_TOKENS;
    if (!isObject(message)) continue;
    const content = message["content"] ?? null;
    if (typeof content === "string") tokens += Buffer.byteLength(content);
    else if (content !== null) tokens += bytesOf(content);
    if (message["role"] === "tool") tokens += TOOL_MESSAGE_TOKENS;
    tokens += callsTokensMax(message["tool_calls"]) + callsTokensMax(message["function_call"]);
  }
  return tokens;
}

/** Templates write them with spaces, and arguments as an object or once more quoted: less than twice the bytes. */
function callsTokensMax(calls: unknown): number {
  if ((calls ?? null) === null) return 0;
  const count = Array.isArray(calls) ? calls.length : 1;
  return count * TOOL_MESSAGE_TOKENS + 2 * bytesOf(calls);
}

/** Templates may write them indented. A schema for the answer is a part of the prompt at some remote APIs. */
function toolsTokensMax(document: Document): number {
  let tokens = 0;
  for (const name of ["tools", "functions"]) {
    const tools = document[name] ?? [];
    if (!Array.isArray(tools) || tools.length === 0) continue;
    tokens += TOOLS_PREAMBLE_TOKENS + bytesOf(tools) + indentationBytes(tools);
  }
  const format = document["response_format"] ?? null;
  return format === null ? tokens : tokens + bytesOf(format);
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** What indenting adds to JSON, at most: counted, as the text itself could be longer than a string can be. */
function indentationBytes(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null) return 0;
  const items: unknown[] = Object.values(value);
  // Each item begins a line, and one in an object has a space behind its name; the closing bracket has its own.
  let bytes = items.length * (2 + INDENT_BYTES * (depth + 1)) + 1 + INDENT_BYTES * depth;
  for (const item of items) bytes += indentationBytes(item, depth + 1);
  return bytes;
}
