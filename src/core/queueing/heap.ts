import { ChurnMap } from "../churn.ts";

/**
 * A binary heap that gives its items in order without taking them out, and lets any of them go.
 * `add` and `delete` cost O(log n), the first k items in order O(k log k).
 */
export class Heap<Item> {
  readonly #isBefore: (a: Item, b: Item) => boolean;
  readonly #items: Item[] = [];
  readonly #positions = new ChurnMap<Item, number>();

  /** `isBefore` has to be a strict order of all items ever in it. */
  constructor(isBefore: (a: Item, b: Item) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** In no order. */
  get items(): readonly Item[] {
    return this.#items;
  }

  has(item: Item): boolean {
    return this.#positions.has(item);
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Harmless where it is not in. */
  delete(item: Item): void {
    const position = this.#positions.get(item);
    if (position === undefined) return;
    this.#positions.delete(item);
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#sink(last, position);
    this.#rise(last, this.#positions.get(last)!);
  }

  get first(): Item | null {
    return this.#items[0] ?? null;
  }

  /** From the first on. Nothing may be added or deleted meanwhile. */
  *inOrder(): Iterable<Item> {
    if (this.first === null) return;
    // Whoever comes next is a child of one of those given so far.
    const frontier = new Heap<number>((a, b) => this.#isBefore(this.#items[a]!, this.#items[b]!));
    frontier.add(0);
    for (let at = frontier.first; at !== null; at = frontier.first) {
      yield this.#items[at]!;
      frontier.delete(at);
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.#items.length) frontier.add(child);
    }
  }

  #rise(item: Item, from: number): void {
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = this.#items[above]!;
      if (!this.#isBefore(item, parent)) break;
      this.#put(parent, position);
      position = above;
    }
    this.#put(item, position);
  }

  #sink(item: Item, from: number): void {
    let position = from;
    for (;;) {
      let below = 2 * position + 1;
      if (below >= this.#items.length) break;
      const other = below + 1;
      if (other < this.#items.length && this.#isBefore(this.#items[other]!, this.#items[below]!))
        below = other;
      const child = this.#items[below]!;
      if (!this.#isBefore(child, item)) break;
      this.#put(child, position);
      position = below;
    }
    this.#put(item, position);
  }

  #put(item: Item, position: number): void {
    this.#items[position] = item;
    this.#positions.set(item, position);
  }
}
