import type { TimerHandle } from "../deadlines.ts";
import type { Attempt } from "../request.ts";
import type { Micros } from "../units.ts";
import type { WorkerDialect, WorkerLimits } from "../vocabulary.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * ```
 *   heartbeat ──▶ alive ──30 s silence──▶ stale ──60 s silence──▶ evicted
 *                  ▲  │                     │
 *                  │  └─ asks to drain ─▶ draining ── leaves ──▶ evicted
 *                  └──── heartbeat ─────────┘
 * ```
 * Only an alive worker is given new work. Remote endpoints are always alive.
 */
export type WorkerStatus = "alive" | "stale" | "draining";

/** A process with an engine, or a remote server that stands in for one. */
export interface Worker {
  readonly id: string;
  url: string | null;
  epoch: string;
  dialect: WorkerDialect;
  status: WorkerStatus;
  /** When it was last heard of; null for a remote, which is not expected to say anything. */
  heardUs: Micros | null;
  /** The worker's own clock in its last report, in ms since the Unix epoch. */
  reportedMs: number;
  limits: WorkerLimits;
  endpoints: Endpoint[];
  /** What this supervisor has running here: counted from dispatch on, not from the next report. */
  readonly attempts: Set<Attempt>;
  /** Sessions they take: one for each choice of an attempt. */
  ownSessions: number;
  kvBytesReserved: number;
  /** What others have running here, by the last report. */
  foreignSessions: number;
  foreignKvBytes: number;
  /** Set from its first heartbeat on. */
  silence: TimerHandle | null;
}

/** Whether it stands for a server outside Headgate, which sends no heartbeats. */
export function isRemote(worker: Worker): boolean {
  return worker.heardUs === null;
}

/** Whether it stops where the tokens it has been granted end. */
export function takesCredit(worker: Worker): boolean {
  return !isRemote(worker) && worker.dialect === "headgate";
}

export function sessionsOn(worker: Worker): number {
  return worker.ownSessions + worker.foreignSessions;
}

export function kvBytesOn(worker: Worker): number {
  return worker.kvBytesReserved + worker.foreignKvBytes;
}
