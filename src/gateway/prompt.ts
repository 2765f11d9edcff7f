import type { HeadgateError } from "../core/errors.ts";
import { invalid, isObject } from "./chat-request.ts";

/** A chat completion request as a worker of ours can serve it. */
export interface Prompt {
  messages: { role: string; content: string }[];
  sampling: Sampling;
  stop: string[];
  ignoreEos: boolean;
}

/** Under the names of the wire; what is absent is the worker's choice. */
export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  seed?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  repetition_penalty?: number;
}

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

/** Read elsewhere, or without influence on what our models answer. */
const ACCEPTED = new Set<string>([
  ...SAMPLING_NAMES,
  ..."model messages stream stream_options max_tokens max_completion_tokens n stop ignore_eos".split(" "),
  ..."metadata store user safety_identifier prompt_cache_key prompt_cache_retention service_tier".split(" "),
  ..."parallel_tool_calls reasoning_effort verbosity".split(" "),
]);

/** Would change the meaning of the answer in a way we can't yet; these values ask for what we do anyway. */
const NEUTRAL_VALUES: Record<string, (value: unknown) => boolean> = {
  tools: isEmptyArray,
  functions: isEmptyArray,
  tool_choice: (value) => value === "none" || value === "auto",
  function_call: (value) => value === "none" || value === "auto",
  response_format: (value) => isObject(value) && value["type"] === "text",
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: (value) => isObject(value) && Object.keys(value).length === 0,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
  audio: () => false,
  prediction: () => false,
  web_search_options: () => false,
};

const STOPS_MAX = 4;

/** What a worker is sent for this request, or why no worker can serve it. */
export function readPrompt(document: Readonly<Record<string, unknown>>): Prompt | HeadgateError {
  for (const name in document) {
    if (ACCEPTED.has(name) || document[name] === null) continue;
    const isNeutral = NEUTRAL_VALUES[name];
    if (isNeutral === undefined) return invalid(name, `\`${name}\` is not a parameter of chat completions.`);
    if (!isNeutral(document[name])) {
      return invalid(name, `\`${name}\` is not supported by this model with the value given.`);
    }
  }
  const messages = readMessages(document["messages"] as unknown[]);
  if ("code" in messages) return messages;
  const sampling = readSampling(document);
  if ("code" in sampling) return sampling;
  const stop = readStop(document["stop"] ?? []);
  if ("code" in stop) return stop;
  const ignoreEos = document["ignore_eos"] ?? false;
  if (typeof ignoreEos !== "boolean") return invalid("ignore_eos", "`ignore_eos` must be a boolean.");
  return { messages, sampling, stop, ignoreEos };
}

function readMessages(messages: unknown[]): Prompt["messages"] | HeadgateError {
  const read: Prompt["messages"] = [];
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`;
    if (!isObject(message)) return invalid(param, `\`${param}\` must be an object.`);
    const role = readRole(message["role"]);
    if (role === null) {
      return invalid(`${param}.role`, `\`${param}.role\` must be system, developer, user or assistant.`);
    }
    if ((message["tool_calls"] ?? message["function_call"] ?? null) !== null) {
      return invalid(`${param}.tool_calls`, "This model can't call tools.");
    }
    const content = readContent(message["content"], `${param}.content`);
    if (typeof content !== "string") return content;
    read.push({ role, content });
  }
  return read;
}

/** Chat templates know the role by its older name. */
function readRole(role: unknown): string | null {
  switch (role) {
    case "developer":
      return "system";
    case "system":
    case "user":
    case "assistant":
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

function readSampling(document: Readonly<Record<string, unknown>>): Sampling | HeadgateError {
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

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
