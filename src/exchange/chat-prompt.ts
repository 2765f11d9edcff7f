import type { HeadgateError } from "../core/errors.ts";
import { invalid, isObject } from "./client-request.ts";
import type { Document } from "./client-request.ts";
import { findUnsupported, readGenerationSettings, TOP_LOGPROBS_MAX } from "./generation-settings.ts";
import type { KnownParameters } from "./generation-settings.ts";
import { CALL_END } from "./outbox.ts";
import type { ToolCallForm } from "./outbox.ts";
import type { ChatMessage, Grammar, Prompt, ToolCall } from "./prompt.ts";
import { callGrammar, readToolUse } from "./tools.ts";
import type { ToolUse } from "./tools.ts";

const CHAT: KnownParameters = {
  address: "chat completions",
  accepted: new Set(
    [
      "messages max_completion_tokens tools tool_choice parallel_tool_calls functions function_call",
      "response_format logprobs top_logprobs metadata store safety_identifier",
      "prompt_cache_retention service_tier reasoning_effort verbosity",
    ].flatMap((names) => names.split(" ")),
  ),
  neutral: {
    modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
    audio: () => false,
    prediction: () => false,
    web_search_options: () => false,
  },
};

const FORMS: Record<ToolUse["choice"], ToolCallForm> = { none: "none", auto: "marked", required: "only" };

/** What a worker is sent for this chat completion, or why no worker can serve it. */
export function readChatPrompt(document: Document): Prompt | HeadgateError {
  const unsupported = findUnsupported(document, CHAT);
  if (unsupported !== null) return unsupported;
  const messages = readMessages(document["messages"] as unknown[]);
  if ("code" in messages) return messages;
  const settings = readGenerationSettings(document);
  if ("code" in settings) return settings;
  const use = readToolUse(document);
  if ("code" in use) return use;
  const format = readResponseFormat(document["response_format"] ?? null);
  if (format !== null && "code" in format) return format;
  if (format !== null && use.choice === "auto") {
    const message =
      "An answer confined to a format can't call tools: set `tool_choice` to `none` or `required`.";
    return invalid("response_format", message);
  }
  const topLogprobs = readTopLogprobs(document);
  if (typeof topLogprobs === "object" && topLogprobs !== null) return topLogprobs;
  const endsWithCall = use.choice === "auto" && !use.isParallel;
  return {
    ...settings,
    input: use.tools.length === 0 ? { messages } : { messages, tools: use.tools },
    stop: endsWithCall ? [...settings.stop, CALL_END] : settings.stop,
    grammar: use.choice === "required" ? callGrammar(use.callable) : format,
    topLogprobs,
    toolCalls: FORMS[use.choice],
  };
}

function readMessages(messages: readonly unknown[]): ChatMessage[] | HeadgateError {
  const read: ChatMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`;
    if (!isObject(message)) return invalid(param, `\`${param}\` must be an object.`);
    const one = readMessage(message, param);
    if ("code" in one) return one;
    read.push(one);
  }
  return read;
}

function readMessage(message: Document, param: string): ChatMessage | HeadgateError {
  const role = readRole(message["role"]);
  if (role === null) {
    return invalid(`${param}.role`, `\`${param}.role\` must be system, developer, user, assistant or tool.`);
  }
  if ((message["function_call"] ?? null) !== null) {
    return invalid(`${param}.function_call`, "`function_call` is the older form of `tool_calls`: use those.");
  }
  const calls = readToolCalls(message["tool_calls"] ?? [], `${param}.tool_calls`);
  if ("code" in calls) return calls;
  if (calls.length > 0 && role !== "assistant") {
    return invalid(`${param}.tool_calls`, "Only messages of the assistant can have `tool_calls`.");
  }
  // An assistant that has called tools need not have said anything.
  const said = message["content"] ?? null;
  const content = said === null && calls.length > 0 ? "" : readContent(said, `${param}.content`);
  if (typeof content !== "string") return content;
  if (role === "tool") {
    const id = message["tool_call_id"];
    if (typeof id === "string") return { role, content, tool_call_id: id };
    return invalid(`${param}.tool_call_id`, `\`${param}.tool_call_id\` must name the call that it answers.`);
  }
  return calls.length > 0 ? { role, content, tool_calls: calls } : { role, content };
}

/** Chat templates know the role by its older name. */
function readRole(role: unknown): string | null {
  switch (role) {
    case "developer":
      return "system";
    case "system":
    case "user":
    case "assistant":
    case "tool":
      return role;
    default:
      return null;
  }
}

function readContent(content: unknown, param: string): string | HeadgateError {
  if (typeof content === "string") return content;
  if (!Array.isArray(content) || content.length === 0) {
    return invalid(param, `\`${param}\` must be a string or an array of text parts.`);
  }
  const texts: string[] = [];
  for (const [index, part] of content.entries()) {
    if (!isObject(part) || part["type"] !== "text" || typeof part["text"] !== "string") {
      return invalid(`${param}[${index}]`, "This model reads parts of type `text` only.");
    }
    texts.push(part["text"]);
  }
  // As vLLM and llama.cpp join them.
  return texts.join("\n");
}

function readToolCalls(calls: unknown, param: string): ToolCall[] | HeadgateError {
  if (!Array.isArray(calls)) return invalid(param, `\`${param}\` must be an array.`);
  const read: ToolCall[] = [];
  for (const [index, call] of calls.entries()) {
    const { id, type, function: called } = isObject(call) ? call : {};
    const { name, arguments: given } = isObject(called) ? called : {};
    const isCall = typeof id === "string" && (type ?? "function") === "function";
    if (!isCall || typeof name !== "string" || typeof given !== "string") {
      const form = '{"id", "type": "function", "function": {"name", "arguments": "JSON in a string"}}';
      return invalid(`${param}[${index}]`, `\`${param}[${index}]\` must have the form ${form}.`);
    }
    read.push({ id, type: "function", function: { name, arguments: given } });
  }
  return read;
}

function readResponseFormat(format: unknown): Grammar | HeadgateError | null {
  if (format === null) return null;
  const { type, json_schema: wanted } = isObject(format) ? format : {};
  switch (type) {
    case "text":
      return null;
    case "json_object":
      return { json: true };
    case "json_schema": {
      if (!isObject(wanted) || typeof wanted["name"] !== "string") {
        return invalid("response_format.json_schema", "`json_schema` must be an object with a `name`.");
      }
      const schema = wanted["schema"] ?? null;
      if (schema === null) return { json: true };
      if (isObject(schema)) return { json_schema: schema };
      return invalid("response_format.json_schema.schema", "`schema` must be a JSON schema.");
    }
    default:
      return invalid("response_format", "`response_format.type` must be text, json_object or json_schema.");
  }
}

/** How many candidates to tell for each token; null for no logprobs at all. */
function readTopLogprobs(document: Document): number | null | HeadgateError {
  const logprobs = document["logprobs"] ?? false;
  const top = document["top_logprobs"] ?? 0;
  if (typeof logprobs !== "boolean") return invalid("logprobs", "`logprobs` must be a boolean.");
  if (!Number.isSafeInteger(top) || (top as number) < 0 || (top as number) > TOP_LOGPROBS_MAX) {
    return invalid("top_logprobs", `\`top_logprobs\` must be an integer from 0 to ${TOP_LOGPROBS_MAX}.`);
  }
  if (logprobs) return top as number;
  return top === 0 ? null : invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true.");
}
