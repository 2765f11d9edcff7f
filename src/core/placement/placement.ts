import { type Endpoint, isRefusing } from "../fleet/endpoint.ts";
import { sessionKvBytes } from "../fleet/kv.ts";
import { kvBytesOn, sessionsOn } from "../fleet/worker.ts";
import type { Packet } from "../request.ts";

/**
 * How attractive an endpoint is to a packet: scores lie in [0, 1], and the highest sum of
 * weighted scores wins. `candidates` have passed all filters; one score is written for each.
 */
export interface Scorer {
  readonly name: string;
  score(candidates: readonly Endpoint[], packet: Packet, scores: Float64Array): void;
}

/** A placement policy: the scorers it adds up. */
export interface PlacementProfile {
  readonly name: string;
  readonly scorers: readonly { scorer: Scorer; weight: number }[];
}

/** KV cache the packet would need on that endpoint, in bytes. */
export function kvBytesNeeded(packet: Packet, endpoint: Endpoint): number {
  const { arrival, maxTokens } = packet.request;
  return sessionKvBytes({
    promptTokens: arrival.promptTokensMax,
    maxTokens,
    contextTokens: endpoint.contextTokens,
    bytesPerToken: endpoint.kvBytesPerToken,
  });
}

/** Whether there is any point in sending the packet there, now or later. */
export function isWorthTrying(endpoint: Endpoint, packet: Packet): boolean {
  return !packet.tried.has(endpoint.id) && endpoint.contextTokens >= packet.contextTokensMin;
}

/** The filter every policy shares: an endpoint that is worth trying and has room for the packet now. */
export function canTake(endpoint: Endpoint, packet: Packet): boolean {
  const { worker } = endpoint;
  if (!isWorthTrying(endpoint, packet) || isRefusing(endpoint)) return false;
  if (endpoint.inFlight >= endpoint.slots) return false;
  if (sessionsOn(worker) >= worker.limits.sessionsMax) return false;
  const kvBytes = kvBytesNeeded(packet, endpoint);
  return (
    kvBytes <= worker.limits.sessionKvBytesMax && kvBytesOn(worker) + kvBytes <= worker.limits.kvBytesMax
  );
}

/** Filters, scores and picks; among equals the endpoint that was picked longest ago. Null when none has room. */
export function place(
  packet: Packet,
  endpoints: readonly Endpoint[],
  profile: PlacementProfile,
): Endpoint | null {
  const candidates = endpoints.filter((endpoint) => canTake(endpoint, packet));
  if (candidates.length < 2) return candidates[0] ?? null;
  const totals = new Float64Array(candidates.length);
  const scores = new Float64Array(candidates.length);
  for (const { scorer, weight } of profile.scorers) {
    scorer.score(candidates, packet, scores);
    for (let i = 0; i < totals.length; i++) totals[i]! += weight * scores[i]!;
  }
  let best = 0;
  for (let i = 1; i < candidates.length; i++) {
    const lead = totals[i]! - totals[best]!;
    if (lead > 0 || (lead === 0 && candidates[i]!.pickedAt < candidates[best]!.pickedAt)) best = i;
  }
  return candidates[best]!;
}
