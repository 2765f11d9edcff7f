import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { isForeignPage } from "../../gateway/loopback.ts";
import { RequestError } from "../errors.ts";
import type { Worker } from "../worker.ts";
import { chatCompletions } from "./chat-completions.ts";
import { cancelGeneration, generate, grantCredit } from "./generate.ts";
import { parkGeneration, sendState } from "./handover.ts";
import { decode, prefill } from "./prefill-decode.ts";
import { findReceipts } from "./receipts.ts";
import { readJson } from "./request-body.ts";
import { sendOpenAiError, sendPlainError, sendWireError } from "./respond.ts";
import { health, listModels, metrics } from "./status.ts";
import { tokenize } from "./tokenize.ts";

const HEADERS_TIMEOUT_MS = 10_000;
/** For the request alone; an answer may take as long as it takes. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than clients keep idle connections, so that they close them and not we: no request is lost to a race. */
const KEEP_ALIVE_MS = 65_000;

interface Call {
  worker: Worker;
  request: IncomingMessage;
  response: ServerResponse;
  /** What the path's pattern captured. */
  id: string;
}

interface Route {
  method: "GET" | "POST" | "DELETE";
  path: RegExp;
  handle: (call: Call) => void | Promise<void>;
}

const ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: /^\/worker\/generate$/,
    handle: async ({ worker, request, response }) => generate(worker, response, await readJson(request)),
  },
  {
    method: "POST",
    path: /^\/worker\/generate\/([^/]+)\/credit$/,
    handle: async ({ worker, request, response, id }) =>
      grantCredit(worker, response, id, await readJson(request)),
  },
  {
    method: "POST",
    path: /^\/worker\/generate\/([^/]+)\/park$/,
    handle: ({ worker, response, id }) => parkGeneration(worker, response, id),
  },
  {
    method: "GET",
    path: /^\/worker\/generate\/([^/]+)\/state$/,
    handle: ({ worker, response, id }) => sendState(worker, response, id),
  },
  {
    method: "DELETE",
    path: /^\/worker\/generate\/([^/]+)$/,
    handle: ({ worker, response, id }) => cancelGeneration(worker, response, id),
  },
  {
    method: "POST",
    path: /^\/worker\/tokenize$/,
    handle: async ({ worker, request, response }) => tokenize(worker, response, await readJson(request)),
  },
  {
    method: "POST",
    path: /^\/worker\/prefill$/,
    handle: async ({ worker, request, response }) => prefill(worker, response, await readJson(request)),
  },
  {
    method: "POST",
    path: /^\/worker\/decode$/,
    handle: async ({ worker, request, response }) => decode(worker, response, await readJson(request)),
  },
  {
    method: "POST",
    path: /^\/worker\/receipts$/,
    handle: async ({ worker, request, response }) => findReceipts(worker, response, await readJson(request)),
  },
  { method: "GET", path: /^\/worker\/health$/, handle: ({ worker, response }) => health(worker, response) },
  { method: "GET", path: /^\/metrics$/, handle: ({ worker, response }) => metrics(worker, response) },
  {
    method: "POST",
    path: /^\/v1\/chat\/completions$/,
    handle: async ({ worker, request, response }) =>
      chatCompletions(worker, response, await readJson(request)),
  },
  { method: "GET", path: /^\/v1\/models$/, handle: ({ worker, response }) => listModels(worker, response) },
];

/** The worker's HTTP surface, not listening yet. */
export function createWorkerServer(worker: Worker): Server {
  return createServer(
    {
      noDelay: true,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      answer(worker, request, response).catch((error: unknown) => {
        worker.log.error({ err: error, url: request.url }, "answering failed");
        response.destroy();
      });
    },
  );
}

async function answer(worker: Worker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  try {
    const { route, id } = findRoute(request.method ?? "", path, response);
    // Such a page could spend the machine's time without ever reading an answer.
    if (route.method !== "GET" && isForeignPage(request)) {
      throw new RequestError("origin_not_allowed", "Pages of other sites may not call this worker.");
    }
    await route.handle({ worker, request, response, id });
  } catch (error) {
    if (response.headersSent) throw error;
    // What is left of a body that was refused cannot be told from the next request.
    if (!request.complete) response.setHeader("connection", "close");
    if (path.startsWith("/v1/")) sendOpenAiError(response, error);
    else if (path === "/worker/prefill" || path === "/worker/decode") sendPlainError(response, error);
    else sendWireError(response, error);
  }
}

function findRoute(method: string, path: string, response: ServerResponse): { route: Route; id: string } {
  const matching = ROUTES.filter((route) => route.path.test(path));
  const route = matching.find((candidate) => candidate.method === method);
  if (route !== undefined) return { route, id: decodeId(route.path.exec(path)?.[1] ?? "") };
  if (matching.length === 0) throw new RequestError("not_found", `Nothing is served at ${path}.`);
  const allowed = matching.map((candidate) => candidate.method).join(", ");
  response.setHeader("allow", allowed);
  throw new RequestError("method_not_allowed", `${path} takes ${allowed}.`);
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RequestError("invalid_request", "The id in the path is not properly encoded.", "id");
  }
}
