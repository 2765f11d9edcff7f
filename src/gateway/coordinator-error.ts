import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { ERRORS } from "../core/errors.ts";
import type { HeadgateError } from "../core/errors.ts";
import { errorDocument, respond, retryHeaders } from "./respond.ts";

/** An error as the `/coordinator` addresses tell it: what is wrong as a text, and the facts behind it beside the text. */
export function respondWithCoordinatorError(
  response: ServerResponse,
  request: string,
  error: HeadgateError,
  headers: OutgoingHttpHeaders = {},
): void {
  const { message, type: _type, param: _param, code, ...facts } = errorDocument(error).error;
  const isBudget = ERRORS[error.code].type === "insufficient_quota";
  respond(response, {
    status: ERRORS[error.code].status,
    request,
    body: JSON.stringify({ error: message, ...(isBudget ? { code } : {}), ...facts }),
    headers: { ...headers, ...retryHeaders(error) },
  });
}
