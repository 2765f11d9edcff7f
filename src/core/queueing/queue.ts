import type { CoreConfig } from "../config.ts";
import type { Packet } from "../request.ts";

/**
 * Packets that wait for an endpoint, first come first served per model. They wait here and
 * not at a worker, so that the choice of a worker is made when there is one (late binding).
 *
 * A packet that comes back after a failed attempt goes before those that have not been tried.
 */
export class Queue {
  readonly #limits: CoreConfig["limits"];
  readonly #lines = new Map<string, Line>();
  #packets = 0;
  #bytes = 0;

  constructor(limits: CoreConfig["limits"]) {
    this.#limits = limits;
  }

  get packets(): number {
    return this.#packets;
  }

  /** Bodies of the waiting requests, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether one more packet, with a body of that size, may wait. */
  hasRoom(bodyBytes: number): boolean {
    return (
      this.#packets < this.#limits.queuePacketsMax && this.#bytes + bodyBytes <= this.#limits.queueBytesMax
    );
  }

  /** Models that packets wait for. */
  get models(): Iterable<string> {
    return this.#lines.keys();
  }

  /**
   * Whether a new packet would have to stand behind others. Those that have been tried wait for
   * endpoints they have not failed on, and must not keep it from the rest.
   */
  isWaiting(model: string): boolean {
    return (this.#lines.get(model)?.fresh.size ?? 0) > 0;
  }

  has(packet: Packet): boolean {
    const line = this.#lines.get(packet.request.model);
    return line !== undefined && (line.again.has(packet) || line.fresh.has(packet));
  }

  add(packet: Packet): void {
    const { model, arrival } = packet.request;
    let line = this.#lines.get(model);
    if (line === undefined) this.#lines.set(model, (line = { again: new Set(), fresh: new Set() }));
    (packet.attempts > 0 ? line.again : line.fresh).add(packet);
    this.#packets++;
    this.#bytes += arrival.bodyBytes;
  }

  /** Returns whether the packet was waiting. */
  remove(packet: Packet): boolean {
    const { model, arrival } = packet.request;
    const line = this.#lines.get(model);
    if (line === undefined || !(line.again.delete(packet) || line.fresh.delete(packet))) return false;
    if (line.again.size + line.fresh.size === 0) this.#lines.delete(model);
    this.#packets--;
    this.#bytes -= arrival.bodyBytes;
    return true;
  }

  /** The waiting packets of a model in the order they are to be placed; packets may be removed meanwhile. */
  *inOrder(model: string): Iterable<Packet> {
    const line = this.#lines.get(model);
    if (line === undefined) return;
    yield* line.again;
    yield* line.fresh;
  }
}

interface Line {
  /** Tried before, and failed. */
  again: Set<Packet>;
  fresh: Set<Packet>;
}
