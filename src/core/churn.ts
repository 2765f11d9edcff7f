/** Fewer deletions are not worth a copy. */
const DELETED_MIN = 64;

/**
 * A map for what comes and goes all the time: requests, attempts, holds.
 *
 * ```
 *   Map        table ──▶ table ──▶ table ──▶ …      as keys come and go, with all that was in them at the end
 *   ChurnMap   table ──▶ table    table ──▶ …       copied: what was before is not known to what comes after
 * ```
 *
 * V8 moves a `Map` into another table every few deletions, and for the sake of iterators a table refers to the next one.
 * Once one of them is in the old generation, each collection of the young one takes all tables behind it for alive, and
 * copies requests that are long over, for milliseconds at a time. A copy costs one entry for each deletion at most.
 */
export class ChurnMap<Key, Value> {
  #entries = new Map<Key, Value>();
  #deleted = 0;

  /** As it is now; what is deleted later may still be in it. */
  get entries(): ReadonlyMap<Key, Value> {
    return this.#entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value);
  }

  /** Returns whether it was there. */
  delete(key: Key): boolean {
    if (!this.#entries.delete(key)) return false;
    if (++this.#deleted >= Math.max(DELETED_MIN, this.#entries.size)) {
      this.#entries = new Map(this.#entries);
      this.#deleted = 0;
    }
    return true;
  }

  /** Those that are there now, in the order in which they came, but for those that are deleted before it is their turn. */
  *values(): Generator<Value> {
    const now = [...this.#entries.keys()];
    for (const key of now) if (this.has(key)) yield this.get(key)!;
  }
}

/** A set for what comes and goes all the time. */
export class ChurnSet<Item> {
  readonly #items = new ChurnMap<Item, Item>();

  get size(): number {
    return this.#items.size;
  }

  add(item: Item): void {
    this.#items.set(item, item);
  }

  /** Returns whether it was in. */
  delete(item: Item): boolean {
    return this.#items.delete(item);
  }

  /** As `ChurnMap.values`. */
  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }
}
