import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { kvBytesPerToken } from "../core/fleet/kv.ts";
import type { WorkerLimits, WorkerRole } from "../core/vocabulary.ts";
import { ResidentBlocks } from "./cache/resident-blocks.ts";
import type { ChoicesEnd } from "./choices.ts";
import type { Engine } from "./engine.ts";
import { WorkerMetrics } from "./metrics.ts";
import { ParkedStates } from "./handover/parked-states.ts";
import type { HandoverOptions, WorkerOptions, WorkerTiming } from "./options.ts";
import { GPUS_DEFAULT, HANDOVER_DEFAULT, LIMITS_DEFAULT, PORT_DEFAULT, TIMING_DEFAULT } from "./options.ts";
import { PrefilledSessions } from "./prefilled.ts";
import type { Receipt, Receipts } from "./receipts/receipts.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { Sessions } from "./sessions.ts";

/** The parts of a running worker, as its HTTP surface and its heartbeats see them. */
export interface Worker {
  identity: WorkerIdentity;
  engine: Engine;
  /** That the slots of each model share. */
  gpus: ReadonlyMap<string, number>;
  sessions: Sessions;
  prefilled: PrefilledSessions;
  parked: ParkedStates;
  residentBlocks: ResidentBlocks;
  /** Null when none are kept. */
  receipts: Receipts | null;
  metrics: WorkerMetrics;
  limits: WorkerLimits;
  timing: WorkerTiming;
  handover: HandoverOptions;
  log: Logger;
}

interface WorkerIdentity {
  workerId: string;
  /** Changes whenever the process restarts: what a supervisor knew of the worker is void then. */
  epoch: string;
  role: WorkerRole;
  labels: Readonly<Record<string, string>>;
}

/** Puts the parts together; nothing listens or reports yet. */
export function assembleWorker(parts: {
  engine: Engine;
  receipts: Receipts | null;
  options: Pick<
    WorkerOptions,
    "workerId" | "port" | "models" | "role" | "labels" | "limits" | "timing" | "handover" | "log"
  >;
  /** The number of sessions changed. */
  onChange: () => void;
}): Worker {
  const { engine, receipts, options, onChange } = parts;
  const metrics = new WorkerMetrics();
  const limits = { ...LIMITS_DEFAULT, ...options.limits };
  const timing = { ...TIMING_DEFAULT, ...options.timing };
  const handover = { ...HANDOVER_DEFAULT, ...options.handover };
  const { log } = options;
  const parked = new ParkedStates({ limits: handover, log });
  const sessions = new Sessions({
    engine,
    limits,
    metrics,
    creditTtlMs: timing.creditTtlMs,
    parked,
    transferMs: handover.transferMs,
    log,
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
    role: options.role ?? "both",
    labels: options.labels ?? {},
  };
  return {
    identity,
    engine,
    gpus: new Map(options.models.map(({ name, gpus = GPUS_DEFAULT }) => [name, gpus])),
    sessions,
    prefilled,
    parked,
    residentBlocks: new ResidentBlocks(engine),
    receipts,
    metrics,
    limits,
    timing,
    handover,
    log,
  };
}

function receiptOf(request: GenerationRequest, end: ChoicesEnd): Receipt {
  const { id, supervisor, model, continued } = request;
  return {
    id,
    supervisor,
    model,
    ...end.usage,
    completion_tokens: end.generated,
    ...(continued ? { continued_from: continued.tokens.length } : {}),
    finish_reason: end.finishReason,
    ran_us: end.ranUs,
    at_ms: Date.now(),
  };
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
  gpus: number;
  kv_bytes_per_token: number;
  model_hash: string;
  state_fingerprint: string;
  /** Generations that the engine has something to do for, and those that wait for credit or their readers. */
  running: number;
  waiting: number;
}

export function reportModels({
  engine,
  gpus,
  sessions,
}: Pick<Worker, "engine" | "gpus" | "sessions">): ModelReport[] {
  return engine.models.map(({ description }) => ({
    model: description.name,
    context_tokens: description.contextTokens,
    slots: description.slots,
    gpus: gpus.get(description.name) ?? GPUS_DEFAULT,
    kv_bytes_per_token: kvBytesPerToken(description.kv),
    model_hash: description.modelHash,
    state_fingerprint: description.stateFingerprint,
    running: sessions.activeOf(description.name) - sessions.waitingOf(description.name),
    waiting: sessions.waitingOf(description.name),
  }));
}

/** Tokens evaluated since the worker started. While `running` is not 0 this grows, or the engine is stuck. */
export function reportProgress(engine: Engine): number {
  return engine.models.reduce((sum, { counters }) => sum + counters.evaluatedTokens, 0);
}

export function reportLimits(limits: WorkerLimits): Record<string, number> {
  return {
    sessions_max: limits.sessionsMax,
    session_kv_bytes_max: limits.sessionKvBytesMax,
    kv_bytes_max: limits.kvBytesMax,
  };
}
