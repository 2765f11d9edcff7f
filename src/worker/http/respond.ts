import type { ServerResponse } from "node:http";
import { ERRORS } from "../../core/errors.ts";
import { Refusal, RequestError } from "../errors.ts";

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Errors as supervisors read them. */
export function sendWireError(response: ServerResponse, error: unknown): void {
  if (error instanceof RequestError) {
    const { message, code, param } = error;
    return sendJson(response, error.status, { error: { message, code, param } });
  }
  if (error instanceof Refusal) {
    return sendJson(response, 503, { error: error.message, reason: error.reason });
  }
  sendJson(response, 500, { error: { message: messageOf(error), code: "internal", param: null } });
}

/** Errors of prefill and decode: a text, and the reason of a refusal. */
export function sendPlainError(response: ServerResponse, error: unknown): void {
  if (error instanceof Refusal) return sendWireError(response, error);
  const status = error instanceof RequestError ? error.status : 500;
  sendJson(response, status, { error: messageOf(error) });
}

/** Errors as OpenAI's clients read them. */
export function sendOpenAiError(response: ServerResponse, error: unknown): void {
  if (error instanceof RequestError) {
    const { message, code, param } = error;
    const body = { error: { message, type: ERRORS.invalid_request.type, code, param } };
    return sendJson(response, error.status, body);
  }
  if (error instanceof Refusal) {
    const { status, type } = ERRORS.capacity;
    response.setHeader("retry-after", "1");
    const { message, reason } = error;
    return sendJson(response, status, { error: { message, type, code: "capacity", param: null, reason } });
  }
  sendJson(response, 500, {
    error: { message: messageOf(error), type: ERRORS.internal.type, code: "internal", param: null },
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
