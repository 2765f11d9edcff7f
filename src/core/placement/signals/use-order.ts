const NONE = -1;
const SLOTS_AT_FIRST = 16;

/**
 * Slots 0, 1, 2, … in the order of their use, for what is forgotten by least recent use: a doubly linked list in
 * two arrays of numbers, 8 bytes a slot. Every method takes constant time. (A `Map` keeps such an order too, but
 * finding its oldest entry costs a walk over those deleted before it.)
 */
export class UseOrder {
  #newer = new Int32Array(SLOTS_AT_FIRST).fill(NONE);
  #older = new Int32Array(SLOTS_AT_FIRST).fill(NONE);
  #newest = NONE;
  #oldest = NONE;
  /** Slots were given out up to here; those given back are chained through `#older` from `#free` on. */
  #end = 0;
  #free = NONE;

  /** The slot used longest ago, −1 if none is in use. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The slot used next after that one, −1 after the last. */
  newerThan(slot: number): number {
    return this.#newer[slot]!;
  }

  /** Takes a free slot, the most recent from now on. */
  add(): number {
    let slot = this.#free;
    if (slot === NONE) {
      slot = this.#end++;
      if (slot === this.#newer.length) this.#grow();
    } else {
      this.#free = this.#older[slot]!;
    }
    this.#append(slot);
    return slot;
  }

  use(slot: number): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#append(slot);
  }

  remove(slot: number): void {
    this.#unlink(slot);
    this.#older[slot] = this.#free;
    this.#free = slot;
  }

  #append(slot: number): void {
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot]!;
    const older = this.#older[slot]!;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  #grow(): void {
    const { length } = this.#newer;
    const newer = new Int32Array(length * 2).fill(NONE);
    const older = new Int32Array(length * 2).fill(NONE);
    newer.set(this.#newer);
    older.set(this.#older);
    this.#newer = newer;
    this.#older = older;
  }
}
