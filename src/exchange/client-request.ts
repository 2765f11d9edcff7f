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

export function invalid(param: string, message: string): HeadgateError {
  return { code: "invalid_request", message, param };
}

export const NOT_AN_OBJECT: HeadgateError = {
  code: "invalid_request",
  message: "The body is not a JSON object in UTF-8.",
};

/** Null when it is not a JSON object in UTF-8. */
export function parseBody(body: Buffer): Document | null {
  if (!isUtf8(body)) return null;
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
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
