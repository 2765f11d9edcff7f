import type { CoreConfig } from "../config.ts";
import { isRemote } from "../fleet/worker.ts";
import type { Attempt, AttemptStream } from "../request.ts";
import type { Micros } from "../units.ts";

/** How many of the tokens that have just come its credit covers; no others are relayed. */
export function coveredTokens(attempt: Attempt, stream: AttemptStream, tokens: number): number {
  return Math.max(0, Math.min(tokens, attempt.creditTokens - stream.generatedTokens));
}

/** Whether its streams come close enough to the end of their credit that more has to be on its way. */
export function needsCredit(attempt: Attempt, stream: AttemptStream, packetTokens: number): boolean {
  const { packet, creditTokens } = attempt;
  const leftTokens = creditTokens - stream.generatedTokens;
  return packet.heldTokens < packet.maxTokens && leftTokens <= packetTokens / 2;
}

/**
 * When the attempt has been silent for too long, unless it shows progress before. A remote
 * endpoint sends a buffered answer in one piece, so there only the request's own deadline counts.
 */
export function silentAtUs(attempt: Attempt, timeouts: CoreConfig["timeouts"]): Micros {
  const { packet, endpoint } = attempt;
  if (isRemote(endpoint.worker) && !packet.request.arrival.streamed) return Infinity;
  const isDecoding = attempt.hasStarted || attempt.generatedTokens > attempt.carriedTokens;
  return attempt.progressUs + (isDecoding ? timeouts.stallUs : timeouts.prefillUs);
}
