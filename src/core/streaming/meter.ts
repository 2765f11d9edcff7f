import type { CoreConfig } from "../config.ts";
import { isRemote } from "../fleet/worker.ts";
import type { Attempt } from "../request.ts";
import type { Micros } from "../units.ts";

/** How many of the tokens that have just come the attempt's credit covers; no others are relayed. */
export function coveredTokens(attempt: Attempt, tokens: number): number {
  return Math.max(0, Math.min(tokens, attempt.creditTokens - attempt.generatedTokens));
}

/**
 * When the attempt has been silent for too long, unless it shows progress before. A remote
 * endpoint sends a buffered answer in one piece, so there only the request's own deadline counts.
 */
export function silentAtUs(attempt: Attempt, timeouts: CoreConfig["timeouts"]): Micros {
  const { packet, endpoint } = attempt;
  if (isRemote(endpoint.worker) && !packet.request.arrival.streamed) return Infinity;
  const isDecoding = attempt.prompt !== null || attempt.generatedTokens > 0;
  return attempt.progressUs + (isDecoding ? timeouts.stallUs : timeouts.prefillUs);
}
