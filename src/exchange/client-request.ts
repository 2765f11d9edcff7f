import { isUtf8 } from "node:buffer";
import type { HeadgateError } from "../core/errors.ts";

/** What the scheduler and the answer need to know of a request, whoever serves it. */
export interface ClientRequest {
  /** Which of OpenAI's two shapes request and answer have. */
  surface: "chat" | "completion";
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
  document: Document;
}

export type Document = Readonly<Record<string, unknown>>;

const MODEL_NAME_LENGTH_MAX = 256;
/** Deeper than any request or schema that people write, and no danger to whatever walks it. */
const NESTING_MAX = 64;

export function invalid(param: string, message: string): HeadgateError {
  return { code: "invalid_request", message, param };
}

const NOT_AN_OBJECT: HeadgateError = {
  code: "invalid_request",
  message: "The body is not a JSON object in UTF-8.",
};

const TOO_DEEP: HeadgateError = {
  code: "invalid_request",
  message: `The body nests arrays and objects more than ${NESTING_MAX} deep.`,
};

/** The body as a JSON object in UTF-8, or why it is none that we read. */
export function parseBody(body: Buffer): { document: Document } | HeadgateError {
  if (!isUtf8(body)) return NOT_AN_OBJECT;
  if (isTooDeep(body)) return TOO_DEEP;
  try {
    const document: unknown = JSON.parse(body.toString());
    return isObject(document) ? { document } : NOT_AN_OBJECT;
  } catch {
    return NOT_AN_OBJECT;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Looked at before parsing, so that everything behind may walk the document by recursion, as
 * `JSON.stringify` does. In UTF-8 no byte of a longer character looks like one of these.
 */
function isTooDeep(json: Buffer): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]!;
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
      continue;
    }
    // `[` and `{` differ in one bit, and so do `]` and `}`.
    if (byte === QUOTE) isInString = true;
    else if ((byte | 0x20) === 0x7b) depth += 1;
    else if ((byte | 0x20) === 0x7d) depth -= 1;
    if (depth > NESTING_MAX) return true;
  }
  return false;
}

/** What both shapes have in common, apart from the prompt and the ceiling on tokens. */
export function readCommon(
  document: Document,
): Pick<ClientRequest, "model" | "stream" | "includeUsage" | "choices"> | HeadgateError {
  const { model } = document;
  if (typeof model !== "string" || model === "" || model.length > MODEL_NAME_LENGTH_MAX) {
    return invalid("model", "`model` must be the name of a model.");
  }
  const stream = document["stream"] ?? false;
  if (typeof stream !== "boolean") return invalid("stream", "`stream` must be a boolean.");
  const includeUsage = readIncludeUsage(document, stream);
  if (typeof includeUsage !== "boolean") return includeUsage;
  const choices = document["n"] ?? 1;
  if (!isCount(choices)) return invalid("n", "`n` must be a positive integer.");
  return { model, stream, includeUsage, choices };
}

function readIncludeUsage(document: Document, stream: boolean): boolean | HeadgateError {
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

/** A ceiling on tokens, null where there is none. */
export function readCeiling(document: Document, name: string): number | null | HeadgateError {
  const value = document[name] ?? null;
  if (value === null || isCount(value)) return value;
  return invalid(name, `\`${name}\` must be a positive integer.`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
