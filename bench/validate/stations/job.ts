import type { Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";

/** A customer of a station. */
export interface Job {
  /** Index of its class, 0 the most urgent. */
  readonly kind: number;
  readonly arrivedUs: Micros;
  /** Drawn at its arrival. */
  readonly serviceUs: Micros;
  /** Since the arrival before it. */
  readonly gapUs: Micros;
  /** False for those that were there at the start. */
  readonly isMeasured: boolean;
  /** Where it goes through the core. */
  packet: Packet | null;
}

/** The line in front of servers, and the servers. */
export interface Desk {
  /** Whether one more would be lost. */
  isFull(): boolean;
  add(job: Job, nowUs: Micros): void;
  /** Gives the job that is next a server, if one is free. */
  next(nowUs: Micros): Job | null;
  /** The job's server is free again. */
  done(job: Job, nowUs: Micros): void;
}
