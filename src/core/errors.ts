import type { LimitUnit } from "./budget/limits.ts";
import type { LimitWindow } from "./budget/windows.ts";

/**
 * The one table of errors a client can meet. Docs and HTTP responses are made from it;
 * a message always says what to do next.
 */
export interface ErrorKind {
  status: number;
  /** OpenAI's coarse type. */
  type:
    | "invalid_request_error"
    | "authentication_error"
    | "rate_limit_error"
    | "server_error"
    | "insufficient_quota";
  /** Whether the same request can succeed later. */
  retryable: boolean;
  /** What the client should do. */
  advice: string;
}

export const ERRORS = {
  invalid_request: {
    status: 400,
    type: "invalid_request_error",
    retryable: false,
    advice: "Correct the request; `param`, where it is set, names the parameter.",
  },
  context_length_exceeded: {
    status: 400,
    type: "invalid_request_error",
    retryable: false,
    advice: "Shorten the messages, lower max_tokens, or choose a model with a longer context.",
  },
  invalid_api_key: {
    status: 401,
    type: "authentication_error",
    retryable: false,
    advice: "Send a valid key as `Authorization: Bearer …`; `headgate keys` creates one.",
  },
  budget_insufficient: {
    status: 402,
    type: "insufficient_quota",
    retryable: false,
    advice:
      "Ask for less (max_tokens, a shorter prompt, a cheaper model), or have the limit named here raised.",
  },
  model_unpriced: {
    status: 403,
    type: "invalid_request_error",
    retryable: false,
    advice: "Whoever runs Headgate has to set its price under `prices`, or a `default_price`.",
  },
  key_not_allowed: {
    status: 403,
    type: "invalid_request_error",
    retryable: false,
    advice:
      "Use a key whose role and place allow this; `headgate keys list` shows them, `headgate keys create --role` makes one.",
  },
  origin_not_allowed: {
    status: 403,
    type: "invalid_request_error",
    retryable: false,
    advice: "Call from a program on this machine, or from a page that is served on this machine.",
  },
  not_found: {
    status: 404,
    type: "invalid_request_error",
    retryable: false,
    advice:
      "Check how the address, and what it names, is spelled; docs/api.md and GET /openapi.json list what is served.",
  },
  model_not_found: {
    status: 404,
    type: "invalid_request_error",
    retryable: false,
    advice: "List the models with GET /v1/models.",
  },
  method_not_allowed: {
    status: 405,
    type: "invalid_request_error",
    retryable: false,
    advice: "Use the method named in the `Allow` header.",
  },
  body_timeout: {
    status: 408,
    type: "invalid_request_error",
    retryable: true,
    advice: "Send the whole body without pausing.",
  },
  account_exists: {
    status: 409,
    type: "invalid_request_error",
    retryable: false,
    advice: "Choose another name: each is used for one sub-account only, and never again.",
  },
  account_closed: {
    status: 410,
    type: "invalid_request_error",
    retryable: false,
    advice: "Open another sub-account with POST /v1/accounts, under another name.",
  },
  body_too_large: {
    status: 413,
    type: "invalid_request_error",
    retryable: false,
    advice: "Send a smaller body; `server.body_bytes_max` may be raised for requests to models.",
  },
  budget_exhausted: {
    status: 429,
    type: "insufficient_quota",
    retryable: true,
    advice: "Retry after the time in `Retry-After`, or have the limit named here raised.",
  },
  rate_limited: {
    status: 429,
    type: "rate_limit_error",
    retryable: true,
    advice:
      "Retry after the time in `Retry-After`, or have the rate named here raised under `admission.rates`, `tenant_rates` or `key_rates`.",
  },
  capacity: {
    status: 503,
    type: "server_error",
    retryable: true,
    advice: "Retry after the time in `Retry-After`, or add workers; `reason` says what is short.",
  },
  upstream_failed: {
    status: 502,
    type: "server_error",
    retryable: true,
    advice: "Retry; if it persists, look at the workers named in `tried`.",
  },
  deadline_exceeded: {
    status: 504,
    type: "server_error",
    retryable: true,
    advice: "Ask for fewer tokens or raise timeouts.total; `stage` says where the time went.",
  },
  internal: {
    status: 500,
    type: "server_error",
    retryable: true,
    advice: "This is a fault in Headgate: please report it with the request id.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** Why there is no capacity: the values of `reason` beside code `capacity`. */
export type CapacityReason =
  | "no_workers"
  | "no_healthy_workers"
  | "no_matching_labels"
  | "all_workers_at_capacity"
  | "system_sessions_full"
  | "system_kv_cache_full"
  | "queue_full"
  /** Its own band is full, whatever room there is for others. */
  | "band_full"
  | "queue_timeout"
  /** As many slices are open as may be. */
  | "slices_full"
  | "ledger_unavailable"
  /** It gave way in a full queue. */
  | "evicted"
  /** Its band is shed first, and the fleet is busy. */
  | "shed"
  | "draining";

/** An error on its way to a client. Optional fields appear in the body under the same names in snake case. */
export interface HeadgateError {
  code: ErrorCode;
  /** What went wrong with this request; the table's advice is appended when it is shown. */
  message: string;
  param?: string;
  reason?: string;
  /** Workers that were tried, in order. */
  tried?: string[];
  stage?: string;
  retryAfterSeconds?: number;
  /** Which limit of which account has no room: amounts in the limit's unit, USD as a decimal. */
  account?: string;
  limit?: { unit: LimitUnit; window: LimitWindow; amount: string };
  needed?: string;
  remaining?: string;
}

/** Of what is not counted in tokens or money, a shorter question or answer needs as much. */
const ADVICE_BY_UNIT: Partial<Record<LimitUnit, string>> = {
  requests: "Have the limit named here raised.",
  gpu_seconds:
    "Have the limit named here raised, ask for fewer choices, or choose a model that takes less of a GPU: " +
    "to begin, each choice needs its place for `budgets.gpu_packet_seconds`, however short its answer.",
};

/** What to do about it. */
export function adviceOn({ code, limit }: HeadgateError): string {
  const byUnit =
    code === "budget_insufficient" && limit !== undefined ? ADVICE_BY_UNIT[limit.unit] : undefined;
  return byUnit ?? ERRORS[code].advice;
}
