import type { HeadgateError } from "./errors.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import type { Worker } from "./fleet/worker.ts";
import type { Attempt, Packet, Request } from "./request.ts";
import type { Use } from "./budget/use.ts";

/**
 * The steps of the lifecycle that what interrupts it leads back to: races, recovery and moves ask the supervisor
 * for them, which alone knows their order.
 */
export interface Steps {
  reserve(packet: Packet): void;
  enqueue(packet: Packet): void;
  /** The best endpoint that has room for the packet now. */
  findPlace(packet: Packet): Endpoint | null;
  /** Gives room that has come free on the worker to those that wait. */
  placeWaitingOn(worker: Worker): void;
  /** The attempt, which has ended, is load no more. */
  left(attempt: Attempt, outcome: "completed" | "failed" | "cancelled"): void;
  /** Nobody will fetch the KV state that the packet was to go on from. */
  freeState(packet: Packet): void;
  settlePacket(packet: Packet, use: Use): void;
  fail(request: Request, error: HeadgateError): void;
  packetAdded(): void;
}
