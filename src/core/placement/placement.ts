import { type Endpoint, isRefusing } from "../fleet/endpoint.ts";
import { sessionKvBytes } from "../fleet/kv.ts";
import { isRemote, kvBytesOn, sessionsOn, takesCredit } from "../fleet/worker.ts";
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

/** What the packet would take on that endpoint: slots, as many sessions, and KV cache for each of them, in bytes. */
export function footprint(packet: Packet, endpoint: Endpoint): { sessions: number; sessionKvBytes: number } {
  const { arrival } = packet.request;
  return {
    // A remote endpoint counts requests.
    sessions: isRemote(endpoint.worker) ? 1 : packet.choices,
    sessionKvBytes: sessionKvBytes({
      promptTokens: arrival.promptTokensMax,
      maxTokens: packet.maxTokens,
      contextTokens: endpoint.contextTokens,
      bytesPerToken: endpoint.kvBytesPerToken,
    }),
  };
}

/** Whether there is any point in sending the packet there, now or later. */
export function isWorthTrying(endpoint: Endpoint, packet: Packet): boolean {
  if (packet.tried.has(endpoint.id) || endpoint.contextTokens < packet.contextTokensMin) return false;
  // One that can't be stopped at a token is only given what is held to its end.
  return packet.heldTokens >= packet.maxTokens || takesCredit(endpoint.worker);
}

/** The filter every policy shares: an endpoint that is worth trying and has room for the packet now. */
export function canTake(endpoint: Endpoint, packet: Packet): boolean {
  const { worker } = endpoint;
  if (!isWorthTrying(endpoint, packet) || isRefusing(endpoint)) return false;
  const { sessions, sessionKvBytes: bytes } = footprint(packet, endpoint);
  const { sessionsMax, sessionKvBytesMax, kvBytesMax } = worker.limits;
  if (endpoint.inFlight + sessions > endpoint.slots) return false;
  if (sessionsOn(worker) + sessions > sessionsMax) return false;
  return bytes <= sessionKvBytesMax && kvBytesOn(worker) + bytes * sessions <= kvBytesMax;
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
