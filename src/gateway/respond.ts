import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { adviceOn, ERRORS } from "../core/errors.ts";
import type { HeadgateError } from "../core/errors.ts";

/** A client that has not read its whole answer within this time after the last byte it took is given up, in ms. */
const LINGER_MS = 30_000;

export interface Reply {
  status: number;
  /** The request's id. */
  request: string;
  /** JSON unless the headers say otherwise. */
  body: string;
  headers?: OutgoingHttpHeaders;
}

/** Answers at once and completely; does nothing when the client has left or was answered already. */
export function respond(response: ServerResponse, reply: Reply): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(reply.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(reply.body),
    "x-request-id": reply.request,
    ...reply.headers,
  });
  end(response, reply.body);
}

export function respondWithJson(
  response: ServerResponse,
  request: string,
  document: unknown,
  status = 200,
): void {
  respond(response, { status, request, body: JSON.stringify(document) });
}

/** How an error is told: in OpenAI's shape, or in another. */
export type RespondWithError = typeof respondWithError;

export function respondWithError(
  response: ServerResponse,
  request: string,
  error: HeadgateError,
  headers: OutgoingHttpHeaders = {},
): void {
  respond(response, {
    status: ERRORS[error.code].status,
    request,
    body: JSON.stringify(errorDocument(error)),
    headers: { ...headers, ...retryHeaders(error) },
  });
}

/** Clients try again by themselves, at once or after what `retry-after` says, but not after longer than this. */
const PATIENCE_SECONDS = 60;

/** When to ask again, for an error that knows; OpenAI's clients would otherwise ask twice more at once. */
export function retryHeaders({ code, retryAfterSeconds }: HeadgateError): OutgoingHttpHeaders {
  // They take every conflict for one that may pass.
  if (code === "account_exists") return { "x-should-retry": "false" };
  if (retryAfterSeconds === undefined) return {};
  const isLimited = code === "rate_limited";
  const isFarOff = retryAfterSeconds > PATIENCE_SECONDS;
  return {
    "retry-after": String(retryAfterSeconds),
    ...(isFarOff ? { "x-should-retry": "false" } : {}),
    ...(isLimited
      ? { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": `${retryAfterSeconds}s` }
      : {}),
  };
}

/** The last write. What the client leaves in its buffers does not stay there for ever. */
export function end(response: ServerResponse, text: string): void {
  response.end(text);
  if (response.writableLength > 0) response.socket?.setTimeout(LINGER_MS);
}

/** The body of an error, in OpenAI's shape: what went wrong, what to do, and the facts behind it. */
export function errorDocument(error: HeadgateError): { error: Record<string, unknown> } {
  const { type } = ERRORS[error.code];
  const document: Record<string, unknown> = {
    message: `${error.message}${/[.!?]$/.test(error.message) ? "" : "."} ${adviceOn(error)}`,
    type,
    code: error.code,
    param: error.param ?? null,
  };
  if (error.reason !== undefined) document["reason"] = error.reason;
  if (error.tried !== undefined) document["tried"] = error.tried;
  if (error.stage !== undefined) document["stage"] = error.stage;
  if (error.account !== undefined) document["account"] = error.account;
  if (error.limit !== undefined) document["limit"] = error.limit;
  if (error.needed !== undefined) document["needed"] = error.needed;
  if (error.remaining !== undefined) document["remaining"] = error.remaining;
  if (error.retryAfterSeconds !== undefined) document["retry_after_seconds"] = error.retryAfterSeconds;
  return { error: document };
}
