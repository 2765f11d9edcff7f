import type { Inspection, WorkerInspection } from "../core/inspection.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import type { ModelNames } from "./model-names.ts";

/** What `GET /v1/models` answers, as OpenAI defines it. */
export function modelList(names: ModelNames, inspection: Inspection, startedMs: number): object {
  const models = names.served(inspection).map((id) => modelObject(id, startedMs));
  return { object: "list", data: models };
}

/** What `GET /v1/models/{id}` answers; null when nothing serves it now. */
export function modelById(
  names: ModelNames,
  inspection: Inspection,
  { id, startedMs }: { id: string; startedMs: number },
): object | null {
  return names.served(inspection).includes(id) ? modelObject(id, startedMs) : null;
}

function modelObject(id: string, startedMs: number): object {
  const created = Math.floor(startedMs / MILLIS_PER_SECOND);
  return { id, object: "model", created, owned_by: "headgate" };
}

/** What `GET /headgate/status` answers: which of several supervisors on the port this is, and how things are with it. */
export type SupervisorStatus = Inspection & { supervisor?: SupervisorPlace };

export interface SupervisorPlace {
  /** Of this life: the next process in its place has another one. */
  name: string;
  pid: number;
  /** How many there are. */
  of: number;
}

export function supervisorStatus(
  inspection: Inspection,
  replica: { name: string; of: number } | null,
): SupervisorStatus {
  if (replica === null) return inspection;
  const { name, of } = replica;
  return { supervisor: { name, pid: process.pid, of }, ...inspection };
}

/** Why no request can be served now; null when one can. */
export function notReadyReason(inspection: Inspection): string | null {
  if (inspection.draining) return "draining";
  return inspection.workers.some(({ status }) => status === "alive") ? null : "no_healthy_workers";
}

/** What `GET /coordinator/health/workers` answers. A dead worker is evicted, so none is ever listed. */
export function workerList(inspection: Inspection): object {
  const workers = inspection.workers.filter(({ url }) => url !== null);
  const withStatus = (status: string): number => workers.filter((worker) => worker.status === status).length;
  return {
    workers: workers.map(workerObject),
    counts: {
      alive: withStatus("alive"),
      stale: withStatus("stale"),
      draining: withStatus("draining"),
      dead: 0,
    },
    total: workers.length,
  };
}

/** What `GET /coordinator/health/workers/available` answers: those that would be given work. */
export function availableWorkers(inspection: Inspection): object {
  const workers = inspection.workers.filter(({ url, status }) => url !== null && status === "alive");
  return { workers: workers.map(workerObject), count: workers.length };
}

function workerObject(worker: WorkerInspection): object {
  return {
    id: worker.worker,
    url: worker.url,
    health: {
      alive: worker.status === "alive",
      active_sessions: worker.inFlight + worker.foreignSessions,
      kv_cache_bytes: worker.kvBytesReserved,
    },
    lastHeartbeat: worker.heartbeatUs === null ? null : Math.floor(worker.heartbeatUs / MICROS_PER_MILLI),
    status: worker.status,
  };
}
