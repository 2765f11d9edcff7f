import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ReportedAddress, WorkerAddresses } from "../backends/worker-addresses.ts";
import type { AnswerHeartbeat } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { HeartbeatRefusal } from "../core/fleet/fleet.ts";
import { ANY_MODEL } from "../core/vocabulary.ts";
import type { WorkersPort } from "../supervisor/ports.ts";
import type { CacheNames } from "../backends/cache-names.ts";
import { readHeartbeat, TIMESTAMP_ERROR, type WorkerReport } from "./heartbeat-report.ts";
import { mayReport } from "./loopback.ts";
import type { ModelNames } from "./model-names.ts";
import type { TellOthers } from "./news.ts";
import { respond } from "./respond.ts";

const farewellSchema = z.object({
  worker_id: z.string().min(1).max(256),
  epoch: z.string().nullable().default(null),
});

const REFUSALS: Record<HeartbeatRefusal, { status: number; error: string }> = {
  timestamp: { status: 400, error: TIMESTAMP_ERROR },
  too_many_workers: { status: 503, error: "Too many workers: raise limits.workers_max" },
  name_taken: { status: 409, error: "A remote endpoint has this name: choose another worker_id" },
};

export interface CoordinatorOptions {
  addresses: WorkerAddresses;
  names: ModelNames;
  /** This supervisor's id. */
  supervisor: string;
  /** What workers are told whom they report to: another id than this supervisor's where several share a port. */
  reportedTo: string;
  cacheNames: CacheNames;
  submit: (event: SupervisorEvent) => void;
  /** Where several supervisors share a port, what comes in here is told to all of them. */
  tellOthers: TellOthers;
}

interface Report {
  /** Null for what came in at another supervisor, which answers it. */
  response: ServerResponse | null;
  heard: WorkerReport;
  worker: string;
  models: string[];
  /** Of what it says of its cache; null where it says nothing. */
  cacheSequence: number | null;
  /** Known before this report. */
  addressBefore: ReportedAddress | undefined;
}

/** Where workers report: heartbeats become events, and the core's verdict on each becomes its answer. */
export class Coordinator implements WorkersPort {
  readonly #options: CoordinatorOptions;
  /** Reports the core has not answered yet, by name. */
  readonly #reports = new Map<string, Report>();
  /** The last account of its cache that was accepted of each worker. */
  readonly #cacheSequences = new Map<string, number>();
  /** Workers of which another supervisor has missed something: they are asked for all of their cache. */
  readonly #cacheWanted = new Set<string>();
  #overheard = 0;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  heartbeat(request: IncomingMessage, response: ServerResponse, report: { id: string; body: Buffer }): void {
    const document = this.#readJson(request, response, report);
    if (document === undefined) return;
    const heartbeat = readHeartbeat(document);
    if ("error" in heartbeat) return this.#answer(response, report.id, 400, heartbeat);
    this.#take(heartbeat, { id: report.id, response });
  }

  /** What a worker has reported to another supervisor on this port. */
  overhear(heartbeat: WorkerReport): void {
    this.#overheard += 1;
    const ownSessions = null;
    this.#take({ ...heartbeat, ownSessions }, { id: `overheard ${this.#overheard}`, response: null });
  }

  deregister(request: IncomingMessage, response: ServerResponse, report: { id: string; body: Buffer }): void {
    const document = this.#readJson(request, response, report);
    if (document === undefined) return;
    const { data, error } = farewellSchema.safeParse(document);
    if (data === undefined) return this.#answer(response, report.id, 400, { error: z.prettifyError(error) });
    const left = {
      kind: "worker_left",
      worker: data.worker_id,
      epoch: data.epoch,
      reason: "deregistered",
    } as const;
    this.#options.submit(left);
    this.#options.tellOthers(left);
    this.#answer(response, report.id, 200, { ack: true });
  }

  answerHeartbeat(effect: AnswerHeartbeat): void {
    const report = this.#reports.get(effect.report);
    if (report === undefined) return;
    this.#reports.delete(effect.report);
    if (effect.refusal === null) {
      this.#accepted(report, effect.report);
    } else {
      this.#options.addresses.restore(report.worker, report.addressBefore);
      if (report.response === null) return;
      const { status, error } = REFUSALS[effect.refusal];
      this.#answer(report.response, effect.report, status, { error });
    }
  }

  /** Another supervisor has missed what this worker said of its cache. */
  wantCache(worker: string): void {
    if (this.#options.addresses.get(worker) !== undefined) this.#cacheWanted.add(worker);
  }

  /** The worker is given up: its next report is the first. */
  forget(worker: string): void {
    this.#cacheSequences.delete(worker);
    this.#cacheWanted.delete(worker);
  }

  #take(heartbeat: WorkerReport, { id, response }: { id: string; response: ServerResponse | null }): void {
    const { addresses, cacheNames, submit, supervisor } = this.#options;
    const { sessionsBy, ...said } = heartbeat;
    const { worker, models } = said;
    // Before the event: work that has been waiting for this worker may be sent while it is handled.
    const addressBefore = addresses.learn(worker, heartbeat);
    const names = models.map(({ model }) => model).filter((model) => model !== ANY_MODEL);
    const cacheSequence = said.cache?.sequence ?? null;
    this.#reports.set(id, {
      response,
      heard: heartbeat,
      worker,
      models: names,
      cacheSequence,
      addressBefore,
    });
    const cache = said.cache === null ? null : cacheNames.translate(said.cache);
    const ownSessions = sessionsBy === null ? said.ownSessions : (sessionsBy[supervisor] ?? 0);
    submit({ kind: "heartbeat_received", report: id, receivedMs: Date.now(), ...said, ownSessions, cache });
  }

  #accepted(report: Report, id: string): void {
    const { names, reportedTo, tellOthers } = this.#options;
    const { worker, response } = report;
    for (const model of report.models) names.learn(model);
    const hasGap = this.#isBehindGap(report);
    if (response === null) return hasGap ? tellOthers({ kind: "cache_wanted", worker }) : undefined;
    const wantsAll = hasGap || this.#cacheWanted.delete(worker);
    const ack = { ack: true, supervisor: reportedTo };
    this.#answer(response, id, 200, wantsAll ? { ...ack, cache: "all" } : ack);
    tellOthers({ kind: "heartbeat", report: report.heard });
  }

  /** Whether an account of changes has been lost, so that all there is has to be told again. */
  #isBehindGap({ worker, cacheSequence }: Report): boolean {
    if (cacheSequence === null) return false;
    if (cacheSequence === 0) this.#cacheWanted.delete(worker);
    const last = this.#cacheSequences.get(worker);
    if (cacheSequence !== 0 && cacheSequence !== (last ?? NaN) + 1) {
      this.#cacheSequences.delete(worker);
      return true;
    }
    this.#cacheSequences.set(worker, cacheSequence);
    return false;
  }

  /** What was sent, or undefined when it was refused. */
  #readJson(
    request: IncomingMessage,
    response: ServerResponse,
    report: { id: string; body: Buffer },
  ): unknown {
    if (!mayReport(request)) {
      this.#answer(response, report.id, 403, { error: "Workers report from this machine only" });
      return undefined;
    }
    try {
      return JSON.parse(report.body.toString());
    } catch {
      this.#answer(response, report.id, 400, { error: "The body is not JSON" });
      return undefined;
    }
  }

  #answer(response: ServerResponse, request: string, status: number, document: object): void {
    respond(response, { status, request, body: JSON.stringify(document) });
  }
}
