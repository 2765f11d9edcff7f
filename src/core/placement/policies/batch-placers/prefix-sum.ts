import type { Endpoint } from "../../../fleet/endpoint.ts";
import type { Packet } from "../../../request.ts";
import type { BatchContext, BatchPlacerDefinition, PlacementContext } from "../../contracts.ts";
import { footprint } from "../../placement.ts";

/**
 * Free slots laid end to end, and the batch stretched over them: where a packet comes to lie, there it goes. So
 * endpoints get shares of the batch in proportion to what they have free. A packet that does not fit there for another
 * reason goes to the next one that has room.
 */
export const prefixSum: BatchPlacerDefinition = {
  kind: "batch-placer",
  name: "prefix-sum",
  summary: "Places all packets that wait in one pass over the endpoints, in proportion to their free slots.",
  formula:
    "packet k → endpoint i with F(i−1) ≤ D(k) · max(1, F(n) ÷ D(last)) < F(i). F: prefix sums of free slots; D: of slots needed, up to the middle of the packet's own",
  source: "Headgate",
  needs: [],
  parameters: {},
  create: () => ({
    assign(packets, endpoints, context) {
      const rooms = endpoints.map((endpoint) => roomOf(endpoint, context));
      const ends = prefixSums(rooms.map(({ sessions }) => sessions));
      const needed = prefixSums(packets.map(({ choices }) => choices));
      const stretch = Math.max(1, (ends.at(-1) ?? 0) / (needed.at(-1) ?? 1));
      const assigned = new Int32Array(packets.length);
      for (const [k, packet] of packets.entries()) {
        const middle = needed[k]! - packet.choices / 2;
        assigned[k] = take(packet, { endpoints, rooms, context, from: placeOf(middle * stretch, ends) });
      }
      return assigned;
    },
  }),
};

/** What is left of an endpoint while a batch is placed. */
interface Room {
  sessions: number;
  kvBytes: number;
}

function roomOf({ slots, inFlight, worker }: Endpoint, { signals, nowUs }: PlacementContext): Room {
  const { sessionsMax, kvBytesMax } = worker.limits;
  const sessions = Math.min(slots - inFlight, sessionsMax - Math.ceil(signals.sessions(worker, nowUs)));
  return { sessions: Math.max(0, sessions), kvBytes: kvBytesMax - signals.kvBytes(worker, nowUs) };
}

function prefixSums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}

/** Index of the first end beyond the position, by halving; the last one at most. */
function placeOf(position: number, ends: readonly number[]): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Takes room for the packet on the first endpoint that has it, from `from` on and around; returns its index, or −1. */
function take(
  packet: Packet,
  where: { endpoints: readonly Endpoint[]; rooms: readonly Room[]; context: BatchContext; from: number },
): number {
  const { endpoints, rooms, context, from } = where;
  for (let step = 0; step < endpoints.length; step++) {
    const i = (from + step) % endpoints.length;
    const endpoint = endpoints[i]!;
    const room = rooms[i]!;
    if (room.sessions < 1 || !context.mayTake(endpoint, packet)) continue;
    const { sessions, sessionKvBytes } = footprint(packet, endpoint);
    if (sessions > room.sessions || sessions * sessionKvBytes > room.kvBytes) continue;
    room.sessions -= sessions;
    room.kvBytes -= sessions * sessionKvBytes;
    return i;
  }
  return -1;
}
