/** Why a worker takes on no more, as the wire names it. */
export type RefusalReason =
  | "max_sessions_exceeded"
  | "session_kv_cache_too_large"
  | "total_kv_cache_exceeded"
  | "draining";

/** The worker cannot take this now; another worker may, or this one later. Status 503. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export type RequestErrorCode =
  | "invalid_request"
  | "not_continuable"
  | "context_length_exceeded"
  | "model_not_found"
  | "origin_not_allowed"
  | "not_found"
  | "method_not_allowed"
  | "body_too_large";

const STATUS: Record<RequestErrorCode, number> = {
  invalid_request: 400,
  not_continuable: 400,
  context_length_exceeded: 400,
  model_not_found: 404,
  origin_not_allowed: 403,
  not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
};

/** The request is wrong, and will be as wrong next time. */
export class RequestError extends Error {
  override name = "RequestError";
  readonly code: RequestErrorCode;
  readonly param: string | null;

  constructor(code: RequestErrorCode, message: string, param: string | null = null) {
    super(message);
    this.code = code;
    this.param = param;
  }

  get status(): number {
    return STATUS[this.code];
  }
}
