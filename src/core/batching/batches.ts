import { createPolicy, type PolicyChoice } from "../policy.ts";
import type { Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { TimerHandle } from "../deadlines.ts";
import type { Micros } from "../units.ts";
import { BATCHING } from "./catalogue.ts";
import type { Batcher } from "./contracts.ts";

/** One batch on its way: complete when all of its prompts have been read, or will not be. */
interface Batch {
  readonly line: Line;
  readonly size: number;
  readonly waitUs: Micros;
  readonly sinceUs: Micros;
  left: number;
}

/** One model's batches. */
interface Line {
  readonly batcher: Batcher;
  again: TimerHandle | null;
}

/**
 * Holds waiting packets back until enough of them go together. That pays for engines that take one batch after the other;
 * one that lets sequences join at any step needs none, and so there is none unless it is asked for.
 */
export class Batches {
  readonly #turn: Turn;
  #choice: PolicyChoice | null;
  readonly #lines = new Map<string, Line>();
  readonly #batches = new Map<Packet, Batch>();

  constructor(turn: Turn, choice: PolicyChoice | null) {
    this.#turn = turn;
    this.#choice = choice;
  }

  get isOn(): boolean {
    return this.#choice !== null;
  }

  /** Another policy from now on. What waits is asked about anew. */
  reconfigure(choice: PolicyChoice | null): void {
    for (const { again } of this.#lines.values()) this.#turn.cancel(again);
    this.#lines.clear();
    this.#choice = choice;
  }

  /** How many of those that wait for the model, from the front, are too late, and how many behind them may go now. */
  plan(model: string, waiting: readonly Packet[]): { late: number; take: number } {
    if (this.#choice === null) return { late: 0, take: waiting.length };
    let line = this.#lines.get(model);
    if (line === undefined) {
      line = { batcher: createPolicy<Batcher>(BATCHING, this.#choice), again: null };
      this.#lines.set(model, line);
    }
    this.#turn.cancel(line.again);
    line.again = null;
    if (waiting.length === 0) return { late: 0, take: 0 };
    const { late, take, againUs } = line.batcher.next(waiting.map(batchable), this.#turn.nowUs);
    if (againUs < Infinity) line.again = this.#turn.at(againUs, { kind: "batch_due", model });
    return { late, take };
  }

  /** These go out together. */
  sent(model: string, packets: readonly Packet[]): void {
    const line = this.#lines.get(model);
    const [first] = packets;
    if (line === undefined || first === undefined) return;
    const { nowUs } = this.#turn;
    const waitUs = nowUs - first.stageSinceUs;
    const batch: Batch = { line, size: packets.length, waitUs, sinceUs: nowUs, left: packets.length };
    for (const packet of packets) this.#batches.set(packet, batch);
  }

  /** The packet's prompt has been read, or its attempt is over. */
  read(packet: Packet): void {
    const batch = this.#batches.get(packet);
    if (batch === undefined) return;
    this.#batches.delete(packet);
    if (--batch.left > 0) return;
    const { line, size, waitUs, sinceUs } = batch;
    line.batcher.observed?.({ size, waitUs, durationUs: this.#turn.nowUs - sinceUs });
  }
}

function batchable({ request, stageSinceUs }: Packet): { tokens: number; sinceUs: Micros; dueUs: Micros } {
  const { arrival, deadline } = request;
  return { tokens: arrival.promptTokensMax, sinceUs: stageSinceUs, dueUs: deadline?.atUs ?? Infinity };
}
