import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { Inspection } from "../core/inspection.ts";
import { readBody } from "./body.ts";
import { availableWorkers, modelById, modelList, notReadyReason, workerList } from "./fleet-pages.ts";
import { isForeignPage } from "./loopback.ts";
import { respond, respondWithError, respondWithJson } from "./respond.ts";
import type { Shell } from "./shell.ts";

export interface RoutesOptions {
  shell: Shell;
  inspect: () => Inspection;
  bodyBytesMax: number;
  /** When the server started, in ms since the Unix epoch. */
  startedMs: number;
}

/** One call: its request and response, and the id that names it in logs, headers and errors. */
interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  id: string;
}

interface Route {
  method: "GET" | "POST";
  handle: (call: Call) => void;
}

const MODELS_PREFIX = "/v1/models/";

/** What is served, and where. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #routes: ReadonlyMap<string, Route>;

  constructor(options: RoutesOptions) {
    this.#options = options;
    const { shell, inspect, startedMs } = options;
    const { chat, coordinator, names } = shell;
    const page = (make: (inspection: Inspection) => unknown): Route => ({
      method: "GET",
      handle: ({ response, id }) => respondWithJson(response, id, make(inspect())),
    });
    this.#routes = new Map<string, Route>([
      ["/v1/chat/completions", this.#withBody((call, body) => chat.handle(call.response, call.id, body))],
      ["/v1/models", page((inspection) => modelList(names, inspection, startedMs))],
      ["/healthz", { method: "GET", handle: (call) => respondWithText(call, "ok\n") }],
      ["/readyz", { method: "GET", handle: (call) => this.#readiness(call) }],
      ["/metrics", { method: "GET", handle: (call) => this.#metrics(call) }],
      ["/headgate/status", page((inspection) => inspection)],
      ["/coordinator/health", { method: "GET", handle: (call) => respondWithText(call, "OK") }],
      ["/coordinator/health/workers", page(workerList)],
      ["/coordinator/health/workers/available", page(availableWorkers)],
      [
        "/coordinator/health/heartbeat",
        this.#withBody(({ request, response, id }, body) =>
          coordinator.heartbeat(request, response, { id, body }),
        ),
      ],
      [
        "/coordinator/health/deregister",
        this.#withBody(({ request, response, id }, body) =>
          coordinator.deregister(request, response, { id, body }),
        ),
      ],
    ]);
  }

  handle(call: Call): void {
    const path = pathOf(call.request.url ?? "/");
    const route = this.#routes.get(path) ?? this.#modelRoute(path);
    if (route === null) {
      this.#refuse(call, { code: "not_found", message: `Nothing is served at ${path.slice(0, 100)}` });
      return;
    }
    const { method } = call.request;
    if (method === route.method || (method === "HEAD" && route.method === "GET")) {
      route.handle(call);
      return;
    }
    const error: HeadgateError = {
      code: "method_not_allowed",
      message: `${method} is not allowed here.`,
    };
    this.#refuse(call, error, { allow: route.method === "GET" ? "GET, HEAD" : route.method });
  }

  #withBody(handle: (call: Call, body: Buffer) => void): Route {
    const bytesMax = this.#options.bodyBytesMax;
    const { metrics } = this.#options.shell;
    return {
      method: "POST",
      handle: (call) => {
        if (isForeignPage(call.request)) {
          return this.#refuse(call, { code: "origin_not_allowed", message: "This page may not call." });
        }
        readBody({
          ...call,
          bytesMax,
          onBody: (body) => handle(call, body),
          onRefused: () => metrics.refused("body_too_large"),
        });
      },
    };
  }

  #modelRoute(path: string): Route | null {
    if (!path.startsWith(MODELS_PREFIX)) return null;
    const { shell, inspect, startedMs } = this.#options;
    return {
      method: "GET",
      handle: (call) => {
        const name = decode(path.slice(MODELS_PREFIX.length));
        const model = modelById(shell.names, inspect(), { id: name, startedMs });
        if (model !== null) return respondWithJson(call.response, call.id, model);
        const message = `The model \`${name.slice(0, 100)}\` is not served here.`;
        this.#refuse(call, { code: "model_not_found", message, param: "model" });
      },
    };
  }

  #readiness({ response, id }: Call): void {
    const reason = notReadyReason(this.#options.inspect());
    const body = reason === null ? { status: "ready" } : { status: "not_ready", reason };
    respond(response, { status: reason === null ? 200 : 503, request: id, body: JSON.stringify(body) });
  }

  #metrics({ response, id }: Call): void {
    const { shell, inspect } = this.#options;
    const headers = { "content-type": shell.metrics.contentType };
    shell.metrics.scrape(inspect()).then(
      (body) => respond(response, { status: 200, request: id, body, headers }),
      (error: unknown) => {
        shell.log.error({ request: id, error: String(error) }, "metrics failed");
        respondWithError(response, id, { code: "internal", message: "The metrics could not be read." });
      },
    );
  }

  #refuse(call: Call, error: HeadgateError, headers: Record<string, string> = {}): void {
    this.#options.shell.metrics.refused(error.code);
    respondWithError(call.response, call.id, error, headers);
  }
}

function respondWithText({ response, id }: Call, body: string): void {
  respond(response, { status: 200, request: id, body, headers: { "content-type": "text/plain" } });
}

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
