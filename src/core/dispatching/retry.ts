import type { HeadgateError } from "../errors.ts";
import type { Attempt, Packet } from "../request.ts";
import type { FailureReason } from "../vocabulary.ts";

/** How an attempt failed. An endpoint that was full has failed nothing: the packet goes back in line. */
export interface Failure {
  reason: Exclude<FailureReason, "at_capacity">;
  message: string;
}

/**
 * Whether another attempt may follow a failed one: the failure is not the request's own fault,
 * attempts are left, and the client has not been shown any token of this choice.
 */
export function mayRetry(attempt: Attempt, { reason }: Failure, retriesMax: number): boolean {
  const { packet } = attempt;
  if (reason === "request_rejected" || packet.tried.size > retriesMax) return false;
  return !packet.request.arrival.streamed || attempt.generatedTokens === 0;
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
