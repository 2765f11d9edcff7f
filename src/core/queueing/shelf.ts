import type { BandConfig } from "../config.ts";
import { Heap } from "./heap.ts";
import type { Entry } from "./line.ts";

/** What waits of one band, over all models: for the band's limits, and for those that have to make room. */
export class Shelf {
  readonly #limits: Pick<BandConfig, "packetsMax" | "bytesMax">;
  readonly #newest = new Heap<Entry>((a, b) => a.sequence > b.sequence);
  #bytes = 0;

  constructor(limits: Pick<BandConfig, "packetsMax" | "bytesMax">) {
    this.#limits = limits;
  }

  get packets(): number {
    return this.#newest.size;
  }

  /** Of request bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bodyBytes: number): boolean {
    const { packetsMax, bytesMax } = this.#limits;
    return (
      (packetsMax === null || this.#newest.size < packetsMax) &&
      (bytesMax === null || this.#bytes + bodyBytes <= bytesMax)
    );
  }

  add(entry: Entry): void {
    this.#newest.add(entry);
    this.#bytes += entry.packet.request.arrival.bodyBytes;
  }

  delete(entry: Entry): void {
    this.#newest.delete(entry);
    this.#bytes -= entry.packet.request.arrival.bodyBytes;
  }

  newestFirst(): Iterable<Entry> {
    return this.#newest.inOrder();
  }
}
