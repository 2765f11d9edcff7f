import type { ChurnSet } from "../churn.ts";
import type { TimerHandle } from "../deadlines.ts";
import type { WorkerLoad } from "../placement/signals/load.ts";
import type { Attempt } from "../request.ts";
import type { Micros } from "../units.ts";
import type { WorkerDialect, WorkerLimits, WorkerRole } from "../vocabulary.ts";
import type { EndedSessions } from "./ended-sessions.ts";
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
  /** What it is used for. */
  role: WorkerRole;
  /** Names and values that requests may ask for. */
  labels: Readonly<Record<string, string>>;
  endpoints: Endpoint[];
  /** What this supervisor has running here: counted from dispatch on, not from the next report. */
  readonly attempts: ChurnSet<Attempt>;
  /** Sessions of ours that have ended, and that its next report may still count. */
  readonly endedSessions: EndedSessions;
  /** What its engine had done when it was last seen to do something, and when that was; null when it does not say. */
  progress: number | null;
  progressUs: Micros;
  /** Its engine stood still while it had work: it gets no more until it moves. */
  isStalled: boolean;
  /** Sessions they take: one for each choice of an attempt. */
  ownSessions: number;
  kvBytesReserved: number;
  /** What others have running here, by the last report. */
  foreignSessions: number;
  foreignKvBytes: number;
  /** What ours of them make it do. */
  readonly load: WorkerLoad;
  /** Set from its first heartbeat on. */
  silence: TimerHandle | null;
}

/** Whether it stands for a server outside Headgate, which sends no heartbeats. */
export function isRemote(worker: Worker): boolean {
  return worker.heardUs === null;
}

/** Whether it is given new work. */
export function isAvailable({ status, isStalled }: Worker): boolean {
  return status === "alive" && !isStalled;
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

/** Whether it has all that is asked: for each label every value of a comma-separated list. */
export function hasLabels({ labels }: Worker, asked: Readonly<Record<string, string>>): boolean {
  for (const label in asked) {
    if (!hasLabelValues(Object.hasOwn(labels, label) ? labels[label] : undefined, asked[label]!))
      return false;
  }
  return true;
}

/** Whether the values a worker has for a label include all that are asked, both as comma-separated lists. */
export function hasLabelValues(values: string | undefined, asked: string): boolean {
  if (values === asked) return true;
  if (values === undefined) return false;
  const there = listOf(values);
  return listOf(asked).every((value) => there.includes(value));
}

function listOf(values: string): string[] {
  return values.split(",").map((value) => value.trim());
}
