import type { HeadgateError } from "../errors.ts";
import type { Attempt, Packet } from "../request.ts";
import type { TailConfig } from "../config.ts";
import type { Random } from "../random.ts";
import type { Micros } from "../units.ts";
import type { FailureReason } from "../vocabulary.ts";

/** How an attempt failed. An endpoint that was full has failed nothing: the packet goes back in line. */
export interface Failure {
  reason: Exclude<FailureReason, "at_capacity">;
  message: string;
}

/** An answer does not wander for ever, however many workers it outlives. */
const ENDPOINTS_TRIED_MAX = 16;

/**
 * Whether another attempt may follow a failed one: the failure is not the request's own fault,
 * attempts are left, and the client has not been shown any token of this choice, or the next
 * attempt goes on where that one was.
 */
export function mayRetry(attempt: Attempt, { reason }: Failure, retriesMax: number): boolean {
  const { packet } = attempt;
  if (reason === "request_rejected" || packet.failures > retriesMax) return false;
  if (packet.tried.size >= ENDPOINTS_TRIED_MAX) return false;
  return packet.carried !== null || !packet.request.arrival.streamed || attempt.generatedTokens === 0;
}

/**
 * How long the packet waits before it is tried again: a random time up to `baseUs` doubled with each
 * failure, so that those who failed together do not come back together ("full jitter", Brooker, AWS, 2015).
 * Never so long that its deadline passes meanwhile.
 */
export function backoffUs(
  packet: Packet,
  config: TailConfig["backoff"],
  { nowUs, random }: { nowUs: Micros; random: Random },
): Micros {
  if (packet.failures === 0 || config.baseUs === 0) return 0;
  const ceilingUs = Math.min(config.maxUs, config.baseUs * 2 ** (packet.failures - 1));
  const leftUs = (packet.request.deadline?.atUs ?? Infinity) - nowUs;
  return Math.floor(Math.min(ceilingUs, leftUs / 2) * random.fraction());
}

/** What the client is told once no attempt is left. */
export function failureError(packet: Packet, failure: Failure): HeadgateError {
  const { reason, message } = failure;
  switch (reason) {
    case "request_rejected":
      return { code: "invalid_request", message };
    case "context_length_exceeded":
      return { code: "context_length_exceeded", message };
    case "unreachable":
    case "endpoint_error":
    case "stream_broken":
    case "prefill_timeout":
    case "stalled":
    case "worker_lost":
      return { code: "upstream_failed", reason, tried: [...packet.request.workers], message };
  }
}
