import { type Breaker, isRefusing } from "./fleet/endpoint.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { Worker, WorkerStatus } from "./fleet/worker.ts";
import type { Queue } from "./queueing/queue.ts";
import type { Micros } from "./units.ts";

/** A picture of the supervisor at one moment, for metrics and `headgate status`. */
export interface Inspection {
  draining: boolean;
  /** Requests admitted and not settled yet. */
  requests: number;
  /** Holds that are neither posted nor void yet. */
  openHolds: number;
  queue: { packets: number; bytes: number; bands: BandInspection[] };
  /** Sessions of packets dispatched and not ended. */
  sessions: number;
  /** KV cache reserved for them, in bytes. */
  kvBytes: number;
  workers: WorkerInspection[];
}

/** What waits of one band, the most urgent first. */
export interface BandInspection {
  band: string;
  packets: number;
  bytes: number;
}

export interface WorkerInspection {
  worker: string;
  /** Null for a remote endpoint, whose address the shell knows. */
  url: string | null;
  status: WorkerStatus;
  /** Its engine stands still while it has work, so it gets no more. */
  isStalled: boolean;
  heartbeatUs: Micros | null;
  /** Sessions this supervisor has running there. */
  inFlight: number;
  /** Generations that other supervisors have running there, by the last report. */
  foreignSessions: number;
  kvBytesReserved: number;
  models: EndpointInspection[];
}

export interface EndpointInspection {
  model: string;
  slots: number;
  inFlight: number;
  contextTokens: number;
  /** It has turned an attempt away and is left alone for the moment. */
  isRefusing: boolean;
  /** `open` while it is left alone because it kept failing, `half_open` while it is tried. */
  breaker: Breaker["state"];
}

export function inspect(state: {
  draining: boolean;
  requests: number;
  openHolds: number;
  queue: Queue;
  fleet: Fleet;
}): Inspection {
  const { draining, requests, openHolds, queue, fleet } = state;
  return {
    draining,
    requests,
    openHolds,
    queue: { packets: queue.packets, bytes: queue.bytes, bands: queue.bands },
    sessions: fleet.sessions,
    kvBytes: fleet.kvBytes,
    workers: Array.from(fleet.workers, inspectWorker),
  };
}

function inspectWorker(worker: Worker): WorkerInspection {
  return {
    worker: worker.id,
    url: worker.url,
    status: worker.status,
    isStalled: worker.isStalled,
    heartbeatUs: worker.heardUs,
    inFlight: worker.ownSessions,
    foreignSessions: worker.foreignSessions,
    kvBytesReserved: worker.kvBytesReserved,
    models: worker.endpoints.map((endpoint) => {
      const { model, slots, inFlight, contextTokens } = endpoint;
      return {
        model,
        slots,
        inFlight,
        contextTokens,
        isRefusing: isRefusing(endpoint),
        breaker: endpoint.breaker.state,
      };
    }),
  };
}
