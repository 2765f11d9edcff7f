import type { Endpoint } from "../fleet/endpoint.ts";
import type { Packet } from "../request.ts";

/** The endpoints to ask first, and those to ask when none of them has room. */
export interface RoleChoice {
  first: readonly Endpoint[];
  otherwise: readonly Endpoint[];
}

const NONE: readonly Endpoint[] = [];

/**
 * Splits a fleet in which some workers only read prompts and others only answer: long prompts are read in the one pool
 * and answered in the other, so that nobody's answer waits for a stranger's prompt; a short prompt is not worth the
 * journey. Wherever a pool is empty or full the other one does all of the work: every worker can.
 */
export function byRole(
  endpoints: readonly Endpoint[],
  packet: Packet,
  isWorthSplitting: (decoders: readonly Endpoint[]) => boolean,
): RoleChoice {
  if (endpoints.every(({ worker }) => worker.role === "both")) return { first: endpoints, otherwise: NONE };
  const readers = endpoints.filter(({ worker }) => worker.role === "prefill");
  const decoders = endpoints.filter(({ worker }) => worker.role !== "prefill");
  const splits =
    packet.carried === null && packet.choices === 1 && readers.length > 0 && isWorthSplitting(decoders);
  return splits ? { first: readers, otherwise: decoders } : { first: decoders, otherwise: readers };
}
