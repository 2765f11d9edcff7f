import type { z } from "zod";
import { ADMIN_OPERATIONS } from "./admin-operations.ts";
import * as answers from "./answer-schemas.ts";
import * as requests from "./request-schemas.ts";

/** What is said of one address in the description of the interface. */
export interface Operation {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  summary: string;
  /** Of the JSON body; null where none is read. */
  request: z.ZodType | null;
  /** What comes back when all is well: by media type, a schema or null for text of no form. */
  answer: Record<string, z.ZodType | null>;
  /** With which status; 200 if absent. */
  status?: number;
  /** Statuses of errors, beside those that any call can meet. */
  errors: readonly number[];
  /** In whose words. */
  error: z.ZodType;
  /** Parameters behind the `?`, each with what it means; none if absent. */
  query?: Record<string, string>;
  /** Headers that are read, and headers of the answer, each with what it means. */
  requestHeaders?: Record<string, string>;
  answerHeaders?: Record<string, string>;
}

const JSON_TYPE = "application/json";
const EVENTS = "text/event-stream";
const TEXT = "text/plain";
const GENERATION_ERRORS = [400, 401, 402, 403, 404, 408, 410, 413, 429, 502, 503, 504];
const PAID = {
  errors: GENERATION_ERRORS,
  requestHeaders: {
    "x-headgate-budget-wait": "Seconds to wait for the budget rather than be refused; 0 if absent.",
    "x-headgate-priority": "Name of the band to wait in, such as `high`; the tenant's usual one if absent.",
    "x-headgate-session":
      "Requests with the same name share most of a prompt: a conversation, or an agent at work.",
    "x-headgate-flow":
      "Whom to be counted with, where `queue.flow_by` is `header`; `queue.header` may name another.",
    "x-headgate-account":
      "Levels below the key's account that it is charged to as well, such as `agent-7/task-3`; at most 4.",
    "x-headgate-require": "Labels that the worker must have, such as `region=eu, domain=math`.",
    "x-headgate-ttft-ms": "Milliseconds to the first token that are hoped for.",
    "x-headgate-tpot-ms": "Milliseconds to each further token that are hoped for.",
  },
  answerHeaders: {
    "x-request-id": "Names the request in logs and in the answer's id.",
    "x-headgate-cost-usd": "What the request was charged; only where the answer is not streamed.",
    "x-headgate-remaining-usd":
      "What the tightest limit in USD leaves; the same with `-tokens`, `-input-tokens`, `-output-tokens`, `-requests`. Absent where no limit applies.",
  },
};

export const OPERATIONS: readonly Operation[] = [
  {
    method: "POST",
    path: "/v1/chat/completions",
    summary: "Answer a conversation",
    request: requests.chatCompletionRequest,
    answer: { [JSON_TYPE]: answers.chatCompletion, [EVENTS]: answers.chatCompletionChunk },
    error: answers.error,
    ...PAID,
  },
  {
    method: "POST",
    path: "/v1/completions",
    summary: "Continue a text",
    request: requests.completionRequest,
    answer: { [JSON_TYPE]: answers.completion, [EVENTS]: answers.completion },
    error: answers.error,
    ...PAID,
  },
  {
    ...slice("POST", "/v1/accounts", "Open a sub-account with a slice of the money above it"),
    request: requests.newSlice,
    status: 201,
    requestHeaders: {
      "x-headgate-account":
        "The account below the key's that the slice is taken from; the key's own if absent.",
    },
  },
  slice("GET", "/v1/accounts/{account}", "What is left of a slice"),
  slice("DELETE", "/v1/accounts/{account}", "Close it: what nobody holds is free again"),
  view("/v1/models", "Models that can be asked for now", answers.modelList),
  { ...view("/v1/models/{model}", "One of them", answers.model), errors: [401, 404] },
  page("/healthz", "Whether the process lives", { [TEXT]: null }),
  {
    ...page("/readyz", "Whether requests can be served now", { [JSON_TYPE]: answers.readiness }),
    errors: [503],
    error: answers.readiness,
  },
  { ...page("/metrics", "Prometheus metrics", { [TEXT]: null }), errors: [401] },
  view("/headgate/status", "Queue, workers and load", answers.status),
  page("/openapi.json", "This description", { [JSON_TYPE]: null }),
  {
    method: "POST",
    path: "/coordinator/infer",
    summary: "Answer a prompt token by token",
    request: requests.inferRequest,
    answer: { [EVENTS]: answers.inferEvent },
    error: answers.coordinatorError,
    errors: GENERATION_ERRORS,
    requestHeaders: PAID.requestHeaders,
  },
  page("/coordinator/health", "Whether the process lives", { [TEXT]: null }),
  view("/coordinator/health/workers", "Workers, and how they are", answers.workerList),
  view("/coordinator/health/workers/available", "Workers that would be given work", answers.availableWorkers),
  {
    method: "POST",
    path: "/coordinator/health/heartbeat",
    summary: "A worker reports",
    request: requests.heartbeat,
    answer: { [JSON_TYPE]: answers.acknowledgement },
    error: answers.coordinatorError,
    errors: [400, 403, 409, 413, 503],
  },
  {
    method: "POST",
    path: "/coordinator/health/deregister",
    summary: "A worker leaves",
    request: requests.farewell,
    answer: { [JSON_TYPE]: answers.acknowledgement },
    error: answers.coordinatorError,
    errors: [400, 403, 413],
  },
  view("/admin/policy", "The policies in force", answers.policies),
  {
    method: "PUT",
    path: "/admin/policy",
    summary: "Put other policies in force, until the supervisor starts anew",
    request: requests.policyPatch,
    answer: { [JSON_TYPE]: answers.policyChange },
    error: answers.error,
    errors: [400, 401, 403, 413],
  },
  ...ADMIN_OPERATIONS,
  view("/admin/canary", "How a second placement profile does beside the one in use", answers.canary),
];

function view(path: string, summary: string, schema: z.ZodType): Operation {
  return { ...page(path, summary, { [JSON_TYPE]: schema }), errors: [401] };
}

function page(path: string, summary: string, answer: Operation["answer"]): Operation {
  return { method: "GET", path, summary, request: null, answer, errors: [], error: answers.error };
}

/** Of sub-accounts, which are named by their path below the key's account. */
function slice(method: Operation["method"], path: string, summary: string): Operation {
  const errors =
    method === "POST" ? [400, 401, 402, 403, 409, 410, 413, 429, 503] : [400, 401, 403, 404, 503];
  const answer = { [JSON_TYPE]: answers.slice };
  return { method, path, summary, request: null, answer, errors, error: answers.error };
}
