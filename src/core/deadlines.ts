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
  /** A batch of the model that was waited for may have to go as it is. */
  | { kind: "batch_due"; model: string }
  /** The packet may be tried again after a failure. */
  | { kind: "packet_backed_off"; packet: Packet }
  /** The packet has waited for its first token for so long that a second attempt is worth its price. */
  | { kind: "packet_slow"; packet: Packet }
  /** An endpoint that was left alone because it kept failing may be tried. */
  | { kind: "breaker_half_open"; endpoint: Endpoint }
  /** An endpoint that has turned an attempt away may be asked again. */
  | { kind: "endpoint_refused"; endpoint: Endpoint }
  /** The attempt may have shown no progress for too long. */
  | { kind: "attempt_silent"; attempt: Attempt }
  /** Of the GPU time that is held for the attempt, so much is over that more has to be held, or all. */
  | { kind: "gpu_time_due"; attempt: Attempt }
  /** The worker may not have been heard of for too long. */
  | { kind: "worker_silent"; worker: Worker }
  /** The account's slice is closed now, if it has not been before. */
  | { kind: "slice_over"; account: string }
  /** Nothing was heard of the ledger for too long. */
  | { kind: "lease_over" }
  /** Whoever is still running after a stop was asked for is cut off. */
  | { kind: "drain" };

export type TimerHandle = Timer<Deadline>;
