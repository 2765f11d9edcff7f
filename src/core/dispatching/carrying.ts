import type { Endpoint } from "../fleet/endpoint.ts";
import { takesCredit } from "../fleet/worker.ts";
import type { Attempt, Carried, Packet } from "../request.ts";
import type { FailureReason } from "../vocabulary.ts";

/** Failures after which the answer may go on elsewhere: those that are not about the request. */
const CARRIED_ON: ReadonlySet<FailureReason> = new Set<FailureReason>([
  "unreachable",
  "endpoint_error",
  "stream_broken",
  "stalled",
  "worker_lost",
]);

/** Whether another worker could go on with what the attempt has begun: one answer of an engine that takes tokens. */
export function canCarry(attempt: Attempt): boolean {
  return takesCredit(attempt.endpoint.worker) && attempt.packet.choices === 1;
}

/** Whether the answer is to go on elsewhere after this failure, rather than to begin again or to end. */
export function mayCarryOn(attempt: Attempt, reason: FailureReason): boolean {
  return canCarry(attempt) && attempt.generatedTokens > 0 && CARRIED_ON.has(reason);
}

/** What the next attempt goes on with; `state` where the worker keeps it. */
export function carriedFrom(attempt: Attempt, state: Carried["state"]): Carried {
  return {
    attempt: attempt.id,
    tokens: attempt.generatedTokens,
    prompt: attempt.prompt,
    modelHash: attempt.endpoint.modelHash ?? null,
    state,
  };
}

/** The KV state that a parked attempt has left at its worker, if anybody could load it. */
export function stateLeftBy({ endpoint }: Attempt): Carried["state"] {
  const fingerprint = endpoint.stateFingerprint ?? null;
  return fingerprint === null ? null : { worker: endpoint.worker.id, fingerprint };
}

/** Whether the endpoint can go on with the packet's answer; any can that has one to begin. */
export function canGoOnAt(endpoint: Endpoint, { carried }: Packet): boolean {
  if (carried === null) return true;
  return takesCredit(endpoint.worker) && (endpoint.modelHash ?? null) === carried.modelHash;
}

/** The worker to fetch the KV state from; null where the endpoint has to read everything again. */
export function stateFor(endpoint: Endpoint, { carried }: Packet): string | null {
  const state = carried?.state ?? null;
  if (state === null || endpoint.stateFingerprint !== state.fingerprint) return null;
  return state.worker;
}

/** What is never picked again for a packet that failed there; a worker that has restarted is another one. */
export function lifeOf({ id, worker }: Endpoint): string {
  return `${id}@${worker.epoch}`;
}
