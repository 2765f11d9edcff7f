import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { noCapacity } from "../core/admission/admission.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { Inspection } from "../core/inspection.ts";
import { parseBody } from "../exchange/client-request.ts";
import type { Caller, Payer } from "./access.ts";
import { ADMIN_BODY_BYTES_MAX, AdminRoutes } from "./admin-routes.ts";
import { readBody } from "./body.ts";
import type { Call, PaidCall } from "./call.ts";
import { respondWithCoordinatorError } from "./coordinator-error.ts";
import {
  availableWorkers,
  modelById,
  modelList,
  notReadyReason,
  supervisorStatus,
  workerList,
} from "./fleet-pages.ts";
import { openApiDocument } from "./openapi/document.ts";
import { metricsWithin } from "./metrics-scope.ts";
import { respond, respondWithError, respondWithJson } from "./respond.ts";
import type { RespondWithError } from "./respond.ts";
import type { Shell } from "./shell.ts";
import { SliceCalls } from "./slice-calls.ts";

export interface RoutesOptions {
  shell: Shell;
  inspect: () => Inspection;
  bodyBytesMax: number;
  /** When the server started, in ms since the Unix epoch. */
  startedMs: number;
}

type Refuse = (error: HeadgateError, headers?: OutgoingHttpHeaders) => void;

interface Route {
  method: "GET" | "POST" | "PUT" | "DELETE";
  handle: (call: Call) => void;
}

type Handle<Who> = (call: Call, who: Who, body: Buffer) => void;

const MODELS_PREFIX = "/v1/models/";
const ACCOUNTS_PREFIX = "/v1/accounts/";

/** What is served, and where. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #routes: ReadonlyMap<string, readonly Route[]>;
  readonly #admin: AdminRoutes;

  constructor(options: RoutesOptions) {
    this.#options = options;
    const { shell, inspect, startedMs } = options;
    const { completions, coordinator, infer, names, policies } = shell;
    const document = openApiDocument();
    this.#admin = this.#administration();
    const page = (make: (inspection: Inspection) => unknown): Route =>
      this.#view(({ response, id }) => respondWithJson(response, id, make(inspect())));
    const routes: [path: string, ...Route[]][] = [
      ["/v1/chat/completions", this.#paid((call, body) => completions.chat(call, body))],
      ["/v1/completions", this.#paid((call, body) => completions.completion(call, body))],
      ["/v1/accounts", ...this.#accounts(null)],
      ["/v1/models", page((inspection) => modelList(names, inspection, startedMs))],
      ["/healthz", { method: "GET", handle: (call) => respondWithText(call, "ok\n") }],
      ["/readyz", { method: "GET", handle: (call) => this.#readiness(call) }],
      ["/metrics", { method: "GET", handle: (call) => this.#metrics(call) }],
      ["/headgate/status", page((inspection) => supervisorStatus(inspection, shell.replica))],
      [
        "/openapi.json",
        { method: "GET", handle: ({ response, id }) => respondWithJson(response, id, document) },
      ],
      [
        "/coordinator/infer",
        this.#paid((call, body) => infer.handle(call, body), respondWithCoordinatorError),
      ],
      ["/coordinator/health", { method: "GET", handle: (call) => respondWithText(call, "OK") }],
      ["/coordinator/health/workers", page(workerList)],
      ["/coordinator/health/workers/available", page(availableWorkers)],
      [
        "/coordinator/health/heartbeat",
        this.#reported(({ request, response, id }, body) =>
          coordinator.heartbeat(request, response, { id, body }),
        ),
      ],
      [
        "/coordinator/health/deregister",
        this.#reported(({ request, response, id }, body) =>
          coordinator.deregister(request, response, { id, body }),
        ),
      ],
      ["/admin/policy", page(() => policies.inForce), this.#policyChange()],
      ...this.#admin.routes,
      ["/admin/canary", page(() => shell.canary.report(policies.inForce.placement))],
    ];
    this.#routes = new Map(routes.map(([path, ...each]) => [path, each]));
  }

  /** Every address that is served. */
  list(): { method: string; path: string }[] {
    const served = Array.from(this.#routes, ([path, routes]) =>
      routes.map(({ method }) => ({ method, path })),
    );
    const keys = AdminRoutes.keyPaths.map((path) => ({ method: "POST", path }));
    const accounts = ["GET", "DELETE"].map((method) => ({ method, path: `${ACCOUNTS_PREFIX}{account}` }));
    return [...served.flat(), { method: "GET", path: `${MODELS_PREFIX}{model}` }, ...accounts, ...keys];
  }

  /** Whatever goes wrong in here is this call's trouble only. */
  handle(call: Call): void {
    this.#guarded(call, respondWithError, () => this.#route(call));
  }

  #route(call: Call): void {
    const path = pathOf(call.request.url ?? "/");
    const routes = this.#routes.get(path) ?? this.#routesWithNames(path);
    if (routes.length === 0) {
      this.#refuse(call, { code: "not_found", message: `Nothing is served at ${path.slice(0, 100)}` });
      return;
    }
    const { method } = call.request;
    const asked = method === "HEAD" ? "GET" : method;
    const route = routes.find((one) => one.method === asked);
    if (route !== undefined) return route.handle(call);
    const error: HeadgateError = {
      code: "method_not_allowed",
      message: `${method} is not allowed here.`,
    };
    const allowed = routes.map((one) => (one.method === "GET" ? "GET, HEAD" : one.method));
    this.#refuse(call, error, { allow: allowed.join(", ") });
  }

  /** What the supervisor shows of itself, to whoever may look. */
  #view(handle: (call: Call) => void): Route {
    const { access } = this.#options.shell;
    return {
      method: "GET",
      handle: (call) => {
        const refusal = access.mayLook(call.request);
        if (refusal === null) handle(call);
        else this.#refuse(call, refusal);
      },
    };
  }

  /** What costs something: who pays is known before the body is read. */
  #paid(
    handle: (call: PaidCall, body: Buffer) => void,
    respondWith: RespondWithError = respondWithError,
  ): Route {
    const { access } = this.#options.shell;
    const identify = (request: IncomingMessage): Caller | HeadgateError => access.identify(request);
    return {
      method: "POST",
      handle: this.#withSpender(identify, {
        respondWith,
        handle: (call, caller, body) => handle({ ...call, caller }, body),
      }),
    };
  }

  /** Sub-accounts with slices: `path` is what the address has behind `/v1/accounts/`; null for the address itself. */
  #accounts(path: string | null): Route[] {
    const { shell } = this.#options;
    const identify = (request: IncomingMessage): Payer | HeadgateError => shell.access.payer(request);
    const refuse = (call: Call, error: HeadgateError): void => this.#refuse(call, error);
    const slices = new SliceCalls({ questions: shell.slices, access: shell.access, refuse });
    const route = (method: Route["method"], handle: Handle<Payer>): Route => {
      return { method, handle: this.#withSpender(identify, { respondWith: respondWithError, handle }) };
    };
    if (path === null) return [route("POST", (call, payer, body) => slices.open(call, payer, body))];
    return [
      route("GET", (call, payer) => slices.show(call, payer, decode(path))),
      route("DELETE", (call, payer) => slices.close(call, payer, decode(path))),
    ];
  }

  /** Who spends is known before the body is read, and nobody does as long as nothing can be written down. */
  #withSpender<Who extends object>(
    identify: (request: IncomingMessage) => Who | HeadgateError,
    { respondWith, handle }: { respondWith: RespondWithError; handle: Handle<Who> },
  ): (call: Call) => void {
    const { access, ledgerTrouble } = this.#options.shell;
    const take = (call: Call, who: Who | HeadgateError): void => {
      const refuse = this.#refusal(call, respondWith);
      if ("code" in who) return refuse(who);
      if (ledgerTrouble() !== null) return refuse(noCapacity("ledger_unavailable"));
      const onBody = (body: Buffer): void => this.#guarded(call, respondWith, () => handle(call, who, body));
      this.#readBody(call.request, onBody, refuse);
    };
    return (call) => {
      const who = identify(call.request);
      const coming = "code" in who ? access.keysComing : null;
      if (coming === null) return take(call, who);
      const again = (): void => take(call, identify(call.request));
      void coming.then(() => this.#guarded(call, respondWith, again));
    };
  }

  /** What workers say. */
  #reported(handle: (call: Call, body: Buffer) => void): Route {
    return {
      method: "POST",
      handle: (call) => {
        const refuse = this.#refusal(call, respondWithCoordinatorError);
        const respondWith = respondWithCoordinatorError;
        const onBody = (body: Buffer): void => this.#guarded(call, respondWith, () => handle(call, body));
        this.#readBody(call.request, onBody, refuse);
      },
    };
  }

  /** What changes how requests are scheduled. */
  #policyChange(): Route {
    const { access, policies, log } = this.#options.shell;
    const change = (call: Call, body: Buffer): void => {
      const parsed = parseBody(body);
      const answer = "code" in parsed ? parsed : policies.change(parsed.document);
      if ("code" in answer) return this.#refuse(call, answer);
      for (const { setting, before, after } of answer.changed)
        log.info({ setting, before, after }, "policy changed");
      respondWithJson(call.response, call.id, answer);
    };
    return {
      method: "PUT",
      handle: (call) => {
        const refuse = this.#refusal(call, respondWithError);
        const refusal = access.mayChange(call.request);
        if (refusal !== null) return refuse(refusal);
        const onBody = (body: Buffer): void =>
          this.#guarded(call, respondWithError, () => change(call, body));
        this.#readBody(call.request, onBody, refuse);
      },
    };
  }

  /** What administrators see and change. */
  #administration(): AdminRoutes {
    const { access, administration, policies, log } = this.#options.shell;
    return new AdminRoutes({
      access,
      bands: () => policies.hintRules.bands,
      desk: administration,
      log,
      refuse: (call, error) => this.#refuse(call, error),
      readBody: (call, onBody) => {
        const onRefused = this.#refusal(call, respondWithError);
        const guarded = (body: Buffer): void => this.#guarded(call, respondWithError, () => onBody(body));
        readBody({ request: call.request, bytesMax: ADMIN_BODY_BYTES_MAX, onBody: guarded, onRefused });
      },
    });
  }

  #readBody(request: IncomingMessage, onBody: (body: Buffer) => void, onRefused: Refuse): void {
    readBody({ request, bytesMax: this.#options.bodyBytesMax, onBody, onRefused });
  }

  #routesWithNames(path: string): readonly Route[] {
    if (path.startsWith(ACCOUNTS_PREFIX)) return this.#accounts(path.slice(ACCOUNTS_PREFIX.length));
    return [...this.#modelRoutes(path), ...this.#admin.keyRoutes(path)];
  }

  #modelRoutes(path: string): Route[] {
    if (!path.startsWith(MODELS_PREFIX)) return [];
    const { shell, inspect, startedMs } = this.#options;
    const route = this.#view((call) => {
      const name = decode(path.slice(MODELS_PREFIX.length));
      const model = modelById(shell.names, inspect(), { id: name, startedMs });
      if (model !== null) return respondWithJson(call.response, call.id, model);
      const message = `The model \`${name.slice(0, 100)}\` is not served here.`;
      this.#refuse(call, { code: "model_not_found", message, param: "model" });
    });
    return [route];
  }

  #readiness({ response, id }: Call): void {
    const { shell, inspect } = this.#options;
    const reason = shell.ledgerTrouble() === null ? notReadyReason(inspect()) : "ledger_unavailable";
    const body = reason === null ? { status: "ready" } : { status: "not_ready", reason };
    respond(response, { status: reason === null ? 200 : 503, request: id, body: JSON.stringify(body) });
  }

  #metrics(call: Call): void {
    const { shell, inspect } = this.#options;
    const { request, response, id } = call;
    const scope = shell.access.scopeOf(request);
    if (typeof scope !== "string") return this.#refuse(call, scope);
    const headers = { "content-type": shell.metrics.contentType };
    shell.scrape(inspect()).then(
      (text) => respond(response, { status: 200, request: id, body: metricsWithin(text, scope), headers }),
      (error: unknown) => {
        shell.log.error({ request: id, error: String(error) }, "metrics failed");
        respondWithError(response, id, { code: "internal", message: "The metrics could not be read." });
      },
    );
  }

  /** A handler that throws has met a fault of ours: the client is told, and everybody else is served on. */
  #guarded(call: Call, respondWith: RespondWithError, handle: () => void): void {
    try {
      handle();
    } catch (error) {
      const what = error instanceof Error ? error.stack : String(error);
      this.#options.shell.log.error({ request: call.id, error: what }, "request failed");
      this.#refusal(call, respondWith)({ code: "internal", message: "The request met a fault of Headgate." });
    }
  }

  #refuse(call: Call, error: HeadgateError, headers: OutgoingHttpHeaders = {}): void {
    this.#refusal(call, respondWithError)(error, headers);
  }

  /** Counts an error and tells it. */
  #refusal({ response, id }: Call, respondWith: RespondWithError): Refuse {
    return (error, headers) => {
      this.#options.shell.metrics.refused(error.code);
      respondWith(response, id, error, headers);
    };
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
