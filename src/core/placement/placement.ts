import { canGoOnAt, lifeOf } from "../dispatching/carrying.ts";
import { type Endpoint, isRefusing } from "../fleet/endpoint.ts";
import { sessionKvBytes } from "../fleet/kv.ts";
import { hasLabels, isRemote, kvBytesOn, sessionsOn, takesCredit } from "../fleet/worker.ts";
import type { Packet } from "../request.ts";
import type { PlacementContext } from "./contracts.ts";
import type { PlacementProfile } from "./profile.ts";

/** What the packet would take on that endpoint: slots, as many sessions, and KV cache for each of them, in bytes. */
export function footprint(packet: Packet, endpoint: Endpoint): { sessions: number; sessionKvBytes: number } {
  return { sessions: sessionsFor(packet, endpoint), sessionKvBytes: sessionKvBytesFor(packet, endpoint) };
}

/** Whether there is any point in sending the packet there, now or later. */
export function isWorthTrying(endpoint: Endpoint, packet: Packet): boolean {
  if (packet.tried.size > 0 && packet.tried.has(lifeOf(endpoint))) return false;
  // Nothing is won where the other of two that race is already.
  if (packet.rival !== null && packet.rival.attempt?.endpoint === endpoint) return false;
  if (!canGoOnAt(endpoint, packet) || endpoint.contextTokens < packet.contextTokensMin) return false;
  if (!hasLabels(endpoint.worker, packet.request.arrival.hints.labels)) return false;
  // One that can't be stopped at a token is only given what is held to its end.
  return packet.heldTokens >= packet.maxTokens || takesCredit(endpoint.worker);
}

/** What every profile goes by before its own filters: an endpoint that is worth trying and has room for the packet now. */
export function canTake(endpoint: Endpoint, packet: Packet): boolean {
  const { worker } = endpoint;
  // The cheapest question first: in a full fleet it is the answer.
  const sessions = sessionsFor(packet, endpoint);
  if (endpoint.inFlight + sessions > endpoint.slots || isRefusing(endpoint)) return false;
  if (!isWorthTrying(endpoint, packet)) return false;
  const { sessionsMax, sessionKvBytesMax, kvBytesMax } = worker.limits;
  if (sessionsOn(worker) + sessions > sessionsMax) return false;
  const bytes = sessionKvBytesFor(packet, endpoint);
  return bytes <= sessionKvBytesMax && kvBytesOn(worker) + bytes * sessions <= kvBytesMax;
}

/** Those that have room for the packet now, and that the profile's filters let through. */
export function candidatesFor(
  packet: Packet,
  endpoints: readonly Endpoint[],
  profile: PlacementProfile,
  context: PlacementContext,
): readonly Endpoint[] {
  let candidates: readonly Endpoint[] = endpoints.filter((endpoint) => canTake(endpoint, packet));
  for (const { filter } of profile.filters) {
    if (candidates.length === 0) break;
    candidates = filter.filter(candidates, packet, context);
  }
  return candidates;
}

/** Filters, scores and picks. Null when none has room, or the profile's filters leave none. */
export function place(
  packet: Packet,
  endpoints: readonly Endpoint[],
  profile: PlacementProfile,
  context: PlacementContext,
): Endpoint | null {
  const candidates = candidatesFor(packet, endpoints, profile, context);
  // The picker is asked even where there is no choice: its turn moves on.
  if (candidates.length === 0) return null;
  const totals = totalsOf(candidates, packet, profile, context);
  return candidates[profile.picker.pick(candidates, packet, totals, context)]!;
}

/** The weighted sums of scores, one for each candidate; good until the profile is asked again. */
function totalsOf(
  candidates: readonly Endpoint[],
  packet: Packet,
  profile: PlacementProfile,
  context: PlacementContext,
): Float64Array {
  const { scores, totals } = profile.scratch.of(candidates.length);
  totals.fill(0);
  for (const { scorer, weight } of profile.scorers) {
    scorer.score(candidates, packet, scores, context);
    for (let i = 0; i < totals.length; i++) totals[i]! += weight * scores[i]!;
  }
  return totals;
}

/** A remote endpoint counts requests. */
function sessionsFor(packet: Packet, { worker }: Endpoint): number {
  return isRemote(worker) ? 1 : packet.choices;
}

function sessionKvBytesFor(
  packet: Packet,
  { contextTokens, kvBytesPerToken: bytesPerToken }: Endpoint,
): number {
  const { promptTokensMax: promptTokens } = packet.request.arrival;
  return sessionKvBytes({ promptTokens, maxTokens: packet.maxTokens, contextTokens, bytesPerToken });
}
