import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { kvBytesPerToken } from "../core/fleet/kv.ts";
import type { WorkerLimits } from "../core/vocabulary.ts";
import type { ChoicesEnd } from "./choices.ts";
import type { Engine } from "./engine.ts";
import { WorkerMetrics } from "./metrics.ts";
import type { WorkerOptions, WorkerTiming } from "./options.ts";
import { LIMITS_DEFAULT, PORT_DEFAULT, TIMING_DEFAULT } from "./options.ts";
import { PrefilledSessions } from "./prefilled.ts";
import type { Receipt, Receipts } from "./receipts/receipts.ts";
import type { GenerationRequest } from "./sessions.ts";
import { Sessions } from "./sessions.ts";

/** The parts of a running worker, as its HTTP surface and its heartbeats see them. */
export interface Worker {
  identity: WorkerIdentity;
  engine: Engine;
  sessions: Sessions;
  prefilled: PrefilledSessions;
  /** Null when none are kept. */
  receipts: Receipts | null;
  metrics: WorkerMetrics;
  limits: WorkerLimits;
  timing: WorkerTiming;
  log: Logger;
}

interface WorkerIdentity {
  workerId: string;
  /** Changes whenever the process restarts: what a supervisor knew of the worker is void then. */
  epoch: string;
}

/** Puts the parts together; nothing listens or reports yet. */
export function assembleWorker(parts: {
  engine: Engine;
  receipts: Receipts | null;
  options: Pick<WorkerOptions, "workerId" | "port" | "limits" | "timing" | "log">;
  /** The number of sessions changed. */
  onChange: () => void;
}): Worker {
  const { engine, receipts, options, onChange } = parts;
  const metrics = new WorkerMetrics();
  const limits = { ...LIMITS_DEFAULT, ...options.limits };
  const timing = { ...TIMING_DEFAULT, ...options.timing };
  const sessions = new Sessions({
    engine,
    limits,
    metrics,
    creditTtlMs: timing.creditTtlMs,
    onEnded: (request, end) => {
      if (request.supervisor !== "") receipts?.add(receiptOf(request, end));
    },
    onChange,
  });
  const prefilled = new PrefilledSessions({ sessions, models: engine.models, ttlMs: timing.sessionTtlMs });
  metrics.watch({ engine, sessions });
  const identity = {
    workerId: options.workerId ?? defaultWorkerId(options.port ?? PORT_DEFAULT),
    epoch: randomUUID(),
  };
  return { identity, engine, sessions, prefilled, receipts, metrics, limits, timing, log: options.log };
}

function receiptOf({ id, supervisor, model }: GenerationRequest, end: ChoicesEnd): Receipt {
  return { id, supervisor, model, ...end.usage, finish_reason: end.finishReason, at_ms: Date.now() };
}

/** The same after a restart, so that supervisors know the worker again; a port of the system's choice is another each time. */
function defaultWorkerId(port: number): string {
  return port === 0 ? `${hostname()}-${process.pid}` : `${hostname()}:${port}`;
}

/** A model in the words of the wire. */
export interface ModelReport {
  model: string;
  context_tokens: number;
  slots: number;
  kv_bytes_per_token: number;
}

export function reportModels(engine: Engine): ModelReport[] {
  return engine.models.map(({ description }) => ({
    model: description.name,
    context_tokens: description.contextTokens,
    slots: description.slots,
    kv_bytes_per_token: kvBytesPerToken(description.kv),
  }));
}

export function reportLimits(limits: WorkerLimits): Record<string, number> {
  return {
    sessions_max: limits.sessionsMax,
    session_kv_bytes_max: limits.sessionKvBytesMax,
    kv_bytes_max: limits.kvBytesMax,
  };
}
