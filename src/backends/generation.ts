import type { Dispatch } from "../core/effects.ts";
import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Piece } from "../exchange/outbox.ts";
import type { Prompt } from "../exchange/prompt.ts";

/** What a dialect is given to send: the core's decision, and the client's words that belong to it. */
export interface Generation {
  dispatch: Dispatch;
  exchange: Exchange;
}

/** With the client's words as a worker takes them. */
export interface WorkerGeneration extends Generation {
  prompt: Prompt;
  /** Where the answer goes on that another worker has begun; null for one from its beginning. */
  continuation: Continuation | null;
}

/** As the worker's wire has it. */
export interface Continuation {
  /** What has been generated so far. */
  tokens: readonly number[];
  /** Where the KV state can be fetched; absent where all has to be read again. */
  state?: { url: string };
}

/** What a dialect reports: `started`, `output`…, and then exactly one of `finished` and `failed`. */
export interface GenerationListener {
  /** The first token is there or about to come. */
  started(promptTokens: number, cachedTokens: number): void;
  /** By the attempt's own choices, counted from 0. */
  output(choice: number, piece: Piece): void;
  /** One of several choices has ended, and others have not. */
  choiceFinished(choice: number, finishReason: string): void;
  /** The chunk that tells the usage: it is relayed when the cost is known. */
  usageChunk(data: string): void;
  finished(finishReason: string, usage: TokenUsage): void;
  /** It has stopped where it was asked to, and another one can go on, with its KV state where the worker kept that. */
  parked(hasState: boolean): void;
  failed(reason: FailureReason, message: string): void;
}

/** As much as is kept of an answer that only says why there is none. */
export const ERROR_BODY_BYTES_MAX = 64 * 1024;

/** Far beyond any context, and small enough that sums of many stay exact. */
const TOKENS_MAX = 1_000_000_000;

/** Whether it is a number of tokens that an endpoint may honestly tell. */
export function isTokenCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;
}

/** Why an endpoint answered with a status other than 200, as far as the core cares. */
export function refusalOf(status: number, body: string): { reason: FailureReason; message: string } {
  const document = parseOrNull(body);
  const error = property(document, "error");
  const message = property(error, "message") ?? error ?? property(document, "message");
  const detail = property(document, "reason");
  return {
    reason:
      property(error, "code") === "context_length_exceeded"
        ? "context_length_exceeded"
        : reasonOfStatus(status),
    message:
      typeof message === "string"
        ? `${message}${typeof detail === "string" ? ` (${detail})` : ""}`
        : `status ${status}: ${body.slice(0, 200)}`,
  };
}

function reasonOfStatus(status: number): FailureReason {
  switch (status) {
    case 429:
    case 503:
    case 529:
      return "at_capacity";
    // The endpoint does not know us, or not this model: our configuration is wrong, not the client's request.
    case 401:
    case 403:
    case 404:
    case 408:
      return "endpoint_error";
    default:
      return status >= 400 && status < 500 ? "request_rejected" : "endpoint_error";
  }
}

/** Null for what is no JSON. */
export function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** Bytes of an answer that is read as a whole. */
export class BodyCollector {
  readonly #chunks: Buffer[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False when the body is longer than it may be; the excess is not kept. */
  add(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) return false;
    this.#chunks.push(chunk);
    return true;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}
