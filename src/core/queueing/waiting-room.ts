import type { BandConfig } from "../config.ts";
import type { BandInspection } from "../inspection.ts";
import type { Packet } from "../request.ts";
import type { Entry } from "./line.ts";
import { Shelf } from "./shelf.ts";

/** What is too full for one more packet: the whole queue, or the packet's band. */
export type QueueFull = "queue_full" | "band_full";

/** On all bands together. */
export interface RoomLimits {
  packetsMax: number;
  /** Of request bodies. */
  bytesMax: number;
}

/** How much may wait and does, over all models: in all, and in each band. Bands go by their place in the configuration. */
export class WaitingRoom {
  readonly #bands: readonly BandConfig[];
  readonly #limits: RoomLimits;
  /** One for each band, the most urgent first. */
  readonly #shelves: readonly Shelf[];
  #packets = 0;
  #bytes = 0;

  constructor(bands: readonly BandConfig[], limits: RoomLimits) {
    this.#bands = bands;
    this.#limits = limits;
    this.#shelves = bands.map((band) => new Shelf(band));
  }

  get packets(): number {
    return this.#packets;
  }

  /** Of request bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What waits of each band, the most urgent first. */
  get bands(): BandInspection[] {
    return this.#shelves.map(({ packets, bytes }, i) => ({ band: this.#bands[i]!.name, packets, bytes }));
  }

  add(entry: Entry): void {
    this.#shelves[entry.flow.band.index]!.add(entry);
    this.#packets++;
    this.#bytes += entry.packet.request.arrival.bodyBytes;
  }

  /** It has to be in. */
  delete(entry: Entry): void {
    this.#shelves[entry.flow.band.index]!.delete(entry);
    this.#packets--;
    this.#bytes -= entry.packet.request.arrival.bodyBytes;
  }

  /** All that wait, the most urgent band first and in each the newest. */
  all(): Packet[] {
    return this.#shelves.flatMap((shelf) => Array.from(shelf.newestFirst(), ({ packet }) => packet));
  }

  /** What keeps one more packet of the band from waiting; null when it may. */
  fullFor(band: number, bodyBytes: number): QueueFull | null {
    const { packetsMax, bytesMax } = this.#limits;
    if (!this.#shelves[band]!.hasRoom(bodyBytes)) return "band_full";
    return this.#packets < packetsMax && this.#bytes + bodyBytes <= bytesMax ? null : "queue_full";
  }

  /** See `Queue.evictFor`. */
  evictFor(band: number, bodyBytes: number): Packet[] | null {
    if (!this.#shelves[band]!.hasRoom(bodyBytes)) return null;
    let packetsOver = this.#packets + 1 - this.#limits.packetsMax;
    let bytesOver = this.#bytes + bodyBytes - this.#limits.bytesMax;
    const evicted: Packet[] = [];
    for (let i = this.#shelves.length - 1; i > band; i--) {
      for (const { packet } of this.#shelves[i]!.newestFirst()) {
        if (packetsOver <= 0 && bytesOver <= 0) return evicted;
        // An answer that has been begun is not thrown away for one that has not.
        if (packet.carried !== null) continue;
        evicted.push(packet);
        packetsOver--;
        bytesOver -= packet.request.arrival.bodyBytes;
      }
    }
    return packetsOver <= 0 && bytesOver <= 0 ? evicted : null;
  }
}
