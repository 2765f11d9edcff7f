import { BlockLru } from "./block-lru.ts";
import { Holders } from "./holders.ts";

/**
 * Caches by slot, each an LRU of blocks, and an index over all of them. Together they hold `blocksMax` blocks at
 * most, each cache an equal share of it or its own capacity, whichever is less: some 150 bytes for each block held.
 */
export class CacheIndex {
  readonly #blocksMax: number;
  readonly #holders = new Holders();
  readonly #caches: (BlockLru | null)[] = [];
  /** What each could hold if there were no others. */
  readonly #capacities: number[] = [];
  #count = 0;
  #runs = new Int32Array(8);

  constructor(blocksMax: number) {
    this.#blocksMax = blocksMax;
  }

  /** Blocks held in all caches. */
  get size(): number {
    return this.#caches.reduce((sum, cache) => sum + (cache?.size ?? 0), 0);
  }

  /** Opens an empty cache of at most `capacity` blocks; returns its slot. */
  open(capacity: number): number {
    const free = this.#caches.indexOf(null);
    const slot = free < 0 ? this.#caches.length : free;
    this.#count++;
    this.#capacities[slot] = capacity;
    this.#caches[slot] = new BlockLru(0);
    if (slot >= this.#runs.length) this.#runs = new Int32Array(this.#runs.length * 2);
    this.#share();
    return slot;
  }

  close(slot: number): void {
    this.clear(slot);
    this.#caches[slot] = null;
    this.#count--;
    this.#share();
  }

  /** Changes what it could hold if there were no others. */
  resize(slot: number, capacity: number): void {
    if (this.#capacities[slot] === capacity) return;
    this.#capacities[slot] = capacity;
    this.#fit(slot);
  }

  clear(slot: number): void {
    const cache = this.#caches[slot]!;
    for (const block of cache.values()) this.remove(slot, block);
  }

  has(slot: number, block: number): boolean {
    return this.#caches[slot]!.has(block);
  }

  /** Uses the block, which is there from now on. */
  use(slot: number, block: number): void {
    const cache = this.#caches[slot]!;
    const isNew = !cache.has(block);
    const gone = cache.use(block);
    if (gone !== block && isNew) this.#holders.add(block, slot);
    if (gone !== undefined && gone !== block) this.#holders.remove(gone, slot);
  }

  /** Returns whether it was there. */
  remove(slot: number, block: number): boolean {
    const wasThere = this.#caches[slot]!.remove(block);
    if (wasThere) this.#holders.remove(block, slot);
    return wasThere;
  }

  /** By slot, how many blocks the chain begins with that are there. Good until the next call. */
  match(chain: readonly number[]): Int32Array {
    this.#holders.match(chain, this.#runs);
    return this.#runs;
  }

  #share(): void {
    for (const [slot, cache] of this.#caches.entries()) if (cache !== null) this.#fit(slot);
  }

  #fit(slot: number): void {
    const share = Math.floor(this.#blocksMax / this.#count);
    const gone = this.#caches[slot]!.resize(Math.min(share, this.#capacities[slot]!));
    for (const block of gone) this.#holders.remove(block, slot);
  }
}
