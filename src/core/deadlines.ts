import type { Attempt, Packet, Request } from "./request.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import type { Worker } from "./fleet/worker.ts";
import type { Timer } from "./timers.ts";

/** Everything the core waits for with a clock. */
export type Deadline =
  /** The request as a whole takes too long. */
  | { kind: "request_total"; request: Request }
  /** The client has not read for too long. */
  | { kind: "client_slow"; request: Request }
  /** The packet's budget has a new window, or it has waited for it long enough. */
  | { kind: "packet_unfunded"; packet: Packet }
  /** The packet found no endpoint in time. */
  | { kind: "packet_queued"; packet: Packet }
  /** An endpoint that has turned an attempt away may be asked again. */
  | { kind: "endpoint_refused"; endpoint: Endpoint }
  /** The attempt may have shown no progress for too long. */
  | { kind: "attempt_silent"; attempt: Attempt }
  /** The worker may not have been heard of for too long. */
  | { kind: "worker_silent"; worker: Worker }
  /** Whoever is still running after a stop was asked for is cut off. */
  | { kind: "drain" };

export type TimerHandle = Timer<Deadline>;
