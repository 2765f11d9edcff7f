import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { WorkerAddresses } from "../backends/worker-addresses.ts";
import type { AnswerHeartbeat } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { HeartbeatRefusal } from "../core/fleet/fleet.ts";
import type { WorkersPort } from "../supervisor/ports.ts";
import { mayReport } from "./loopback.ts";
import type { ModelNames } from "./model-names.ts";
import { respond } from "./respond.ts";

const count = z.int().min(0);
const MIB = 1024 * 1024;

/** What workers send; what the older form of the report lacks gets that form's limits. */
const heartbeatSchema = z.object({
  worker_id: z.string().min(1).max(256),
  worker_url: z.url({ protocol: /^https?$/ }),
  timestamp: z.number(),
  health: z.object({ alive: z.boolean(), active_sessions: count, kv_cache_bytes: z.number().min(0) }),
  epoch: z.string().max(256).default(""),
  draining: z.boolean().default(false),
  own_sessions: count.nullable().default(null),
  limits: z
    .object({ sessions_max: count, session_kv_bytes_max: count, kv_bytes_max: count })
    .default({ sessions_max: 100, session_kv_bytes_max: 512 * MIB, kv_bytes_max: 8192 * MIB }),
  models: z
    .array(
      z.object({
        model: z.string().min(1).max(256),
        context_tokens: z.int().min(1),
        slots: z.int().min(1),
        kv_bytes_per_token: z.number().min(0),
      }),
    )
    .max(1_000)
    .default([]),
});

const farewellSchema = z.object({
  worker_id: z.string().min(1).max(256),
  epoch: z.string().nullable().default(null),
});

const REFUSALS: Record<HeartbeatRefusal, { status: number; error: string }> = {
  timestamp: { status: 400, error: "Stale or invalid timestamp" },
  too_many_workers: { status: 503, error: "Too many workers: raise limits.workers_max" },
  name_taken: { status: 409, error: "A remote endpoint has this name: choose another worker_id" },
};

export interface CoordinatorOptions {
  addresses: WorkerAddresses;
  names: ModelNames;
  /** This supervisor's id. */
  supervisor: string;
  submit: (event: SupervisorEvent) => void;
}

interface Report {
  response: ServerResponse;
  worker: string;
  models: string[];
  /** The address known before this report. */
  originBefore: string | undefined;
}

/** Where workers report: heartbeats become events, and the core's verdict on each becomes its answer. */
export class Coordinator implements WorkersPort {
  readonly #options: CoordinatorOptions;
  /** Reports the core has not answered yet, by name. */
  readonly #reports = new Map<string, Report>();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  heartbeat(request: IncomingMessage, response: ServerResponse, report: { id: string; body: Buffer }): void {
    const { addresses, submit } = this.#options;
    const heartbeat = this.#read(request, response, report, heartbeatSchema);
    if (heartbeat === null) return;
    const worker = heartbeat.worker_id;
    // Before the event: work that has been waiting for this worker may be sent while it is handled.
    const originBefore = addresses.learn(worker, heartbeat.worker_url);
    const models = heartbeat.models.map(({ model }) => model);
    this.#reports.set(report.id, { response, worker, models, originBefore });
    submit({
      kind: "heartbeat_received",
      report: report.id,
      worker,
      url: heartbeat.worker_url,
      epoch: heartbeat.epoch,
      timestampMs: heartbeat.timestamp,
      receivedMs: Date.now(),
      draining: heartbeat.draining || !heartbeat.health.alive,
      limits: {
        sessionsMax: heartbeat.limits.sessions_max,
        sessionKvBytesMax: heartbeat.limits.session_kv_bytes_max,
        kvBytesMax: heartbeat.limits.kv_bytes_max,
      },
      models: heartbeat.models.map((served) => ({
        model: served.model,
        contextTokens: served.context_tokens,
        slots: served.slots,
        kvBytesPerToken: served.kv_bytes_per_token,
      })),
      sessions: heartbeat.health.active_sessions,
      ownSessions: heartbeat.own_sessions,
      kvBytes: heartbeat.health.kv_cache_bytes,
    });
  }

  deregister(request: IncomingMessage, response: ServerResponse, report: { id: string; body: Buffer }): void {
    const farewell = this.#read(request, response, report, farewellSchema);
    if (farewell === null) return;
    const { worker_id: worker, epoch } = farewell;
    this.#options.submit({ kind: "worker_left", worker, epoch, reason: "deregistered" });
    this.#answer(response, report.id, 200, { ack: true });
  }

  answerHeartbeat(effect: AnswerHeartbeat): void {
    const report = this.#reports.get(effect.report);
    if (report === undefined) return;
    this.#reports.delete(effect.report);
    if (effect.refusal === null) {
      for (const model of report.models) this.#options.names.learn(model);
      this.#answer(report.response, effect.report, 200, { ack: true, supervisor: this.#options.supervisor });
    } else {
      this.#options.addresses.restore(report.worker, report.originBefore);
      const { status, error } = REFUSALS[effect.refusal];
      this.#answer(report.response, effect.report, status, { error });
    }
  }

  /** The report, or null when it was refused. */
  #read<Schema extends z.ZodType>(
    request: IncomingMessage,
    response: ServerResponse,
    report: { id: string; body: Buffer },
    schema: Schema,
  ): z.infer<Schema> | null {
    if (!mayReport(request)) {
      this.#answer(response, report.id, 403, { error: "Workers report from this machine only" });
      return null;
    }
    let document: unknown;
    try {
      document = JSON.parse(report.body.toString());
    } catch {
      this.#answer(response, report.id, 400, { error: "The body is not JSON" });
      return null;
    }
    const result = schema.safeParse(document);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    this.#answer(response, report.id, 400, { error: `${issue?.path.join(".")}: ${issue?.message}` });
    return null;
  }

  #answer(response: ServerResponse, request: string, status: number, document: object): void {
    respond(response, { status, request, body: JSON.stringify(document) });
  }
}
