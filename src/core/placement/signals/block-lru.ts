import { UseOrder } from "./use-order.ts";

/**
 * Blocks of a KV cache, the least recently used given up first. A block is known by a number that stands for
 * it and all before it, so a chain of blocks is of use only as far as its beginning is there without a gap.
 *
 * Holds `capacity` blocks at most, of some 80 bytes each.
 */
export class BlockLru {
  readonly #slots = new Map<number, number>();
  readonly #order = new UseOrder();
  /** By slot. */
  readonly #blocks: number[] = [];
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#slots.size;
  }

  get capacity(): number {
    return this.#capacity;
  }

  has(block: number): boolean {
    return this.#slots.has(block);
  }

  /** In no particular order. */
  values(): Iterable<number> {
    return this.#slots.keys();
  }

  /** How many blocks the chain begins with that are there. */
  leadingRun(chain: readonly number[]): number {
    let run = 0;
    while (run < chain.length && this.#slots.has(chain[run]!)) run++;
    return run;
  }

  /** Uses the chain from its beginning on, and returns how much of its beginning was there before. */
  touch(chain: readonly number[]): number {
    const run = this.leadingRun(chain);
    for (const block of chain) this.use(block);
    return run;
  }

  /** Makes the block the most recent; returns the one that had to go for it, if any. It is the block itself where nothing fits. */
  use(block: number): number | undefined {
    const slot = this.#slots.get(block);
    if (slot !== undefined) {
      this.#order.use(slot);
      return undefined;
    }
    if (this.#capacity < 1) return block;
    const oldest = this.size >= this.#capacity ? this.#dropOldest() : undefined;
    const taken = this.#order.add();
    this.#slots.set(block, taken);
    this.#blocks[taken] = block;
    return oldest;
  }

  /** Returns whether it was there. */
  remove(block: number): boolean {
    const slot = this.#slots.get(block);
    if (slot === undefined) return false;
    this.#slots.delete(block);
    this.#order.remove(slot);
    return true;
  }

  /** Changes the capacity; returns the blocks that have to go. */
  resize(capacity: number): number[] {
    this.#capacity = capacity;
    const gone: number[] = [];
    while (this.size > 0 && this.size > capacity) gone.push(this.#dropOldest());
    return gone;
  }

  #dropOldest(): number {
    const block = this.#blocks[this.#order.oldest]!;
    this.remove(block);
    return block;
  }
}
