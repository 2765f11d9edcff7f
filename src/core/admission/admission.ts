import type { CoreConfig } from "../config.ts";
import type { CapacityReason, HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Queue } from "../queueing/queue.ts";

/** How long a client is asked to wait before it tries again. */
const RETRY_AFTER_SECONDS = 1;

const EXPLANATIONS: Record<CapacityReason, string> = {
  no_workers: "No worker serves this model yet.",
  no_healthy_workers: "Every worker that serves this model is silent or draining.",
  all_workers_at_capacity: "Every worker that serves this model is full.",
  system_sessions_full: "As many sessions are running as limits.sessions_max allows.",
  system_kv_cache_full: "As much KV cache is in use as limits.kv_bytes_max allows.",
  queue_full: "The queue is full.",
  queue_timeout: "No worker had room before timeouts.queue ran out.",
  draining: "Headgate is shutting down.",
  ledger_unavailable: "What is spent can't be written down at the moment.",
};

export function noCapacity(reason: CapacityReason): HeadgateError {
  return {
    code: "capacity",
    reason,
    message: EXPLANATIONS[reason],
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}

/**
 * Whether to take a request in at all. Looks at counters only, so a refusal costs the same
 * however large the fleet and however long the queue.
 */
export function admit(
  request: { arrival: RequestArrived; model: string },
  state: { config: CoreConfig; fleet: Fleet; queue: Queue; openPackets: number; draining: boolean },
): HeadgateError | null {
  const { config, fleet, queue } = state;
  const { limits } = config;
  if (state.draining) return noCapacity("draining");
  if (fleet.known(request.model).length === 0) {
    if (Object.hasOwn(config.models, request.model)) return noCapacity("no_workers");
    return {
      code: "model_not_found",
      param: "model",
      message: `There is no model ${quoted(request.model)}.`,
    };
  }
  if (fleet.available(request.model).length === 0) return noCapacity("no_healthy_workers");
  if (fleet.sessions >= limits.sessionsMax) return noCapacity("system_sessions_full");
  if (fleet.kvBytes >= limits.kvBytesMax) return noCapacity("system_kv_cache_full");
  // Behind others that wait it would have to wait too, and packets on their way to the queue count.
  const mustWait = queue.isWaiting(request.model);
  if (mustWait && !queue.hasRoom(request.arrival.bodyBytes)) return noCapacity("queue_full");
  if (state.openPackets >= limits.sessionsMax + limits.queuePacketsMax) return noCapacity("queue_full");
  return null;
}

/** A name from outside, cut to a readable length. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
