import type { Micros } from "./units.ts";

/** A deadline that has been set; hand it back to cancel it. */
export interface Timer<Action> {
  readonly atUs: Micros;
  readonly sequence: number;
  readonly action: Action;
  /** Index in the heap, −1 once fired or cancelled. */
  position: number;
}

/**
 * All deadlines of the core: a binary heap by time, then by order of setting, so that what is
 * due at the same instant fires in the order it was asked for. Set and cancel cost O(log n),
 * and a cancelled timer leaves nothing behind.
 */
export class Timers<Action> {
  readonly #heap: Timer<Action>[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** When the earliest timer is due; null when none is set. */
  get nextUs(): Micros | null {
    return this.#heap[0]?.atUs ?? null;
  }

  set(atUs: Micros, action: Action): Timer<Action> {
    const timer = { atUs, sequence: this.#sequence++, action, position: this.#heap.length };
    this.#heap.push(timer);
    this.#rise(timer);
    return timer;
  }

  /** Harmless on a timer that has fired. */
  cancel(timer: Timer<Action>): void {
    if (timer.position < 0) return;
    const last = this.#heap.pop();
    if (last !== undefined && last !== timer) {
      this.#put(last, timer.position);
      this.#rise(last);
      this.#sink(last);
    }
    timer.position = -1;
  }

  /** Takes out the earliest timer if it is due. */
  takeDue(nowUs: Micros): Timer<Action> | null {
    const first = this.#heap[0];
    if (first === undefined || first.atUs > nowUs) return null;
    this.cancel(first);
    return first;
  }

  #rise(timer: Timer<Action>): void {
    while (timer.position > 0) {
      const parent = this.#heap[(timer.position - 1) >> 1]!;
      if (!isBefore(timer, parent)) return;
      this.#swap(timer, parent);
    }
  }

  #sink(timer: Timer<Action>): void {
    for (;;) {
      const left = this.#heap[timer.position * 2 + 1];
      const right = this.#heap[timer.position * 2 + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(child, timer)) return;
      this.#swap(timer, child);
    }
  }

  #swap(a: Timer<Action>, b: Timer<Action>): void {
    const position = a.position;
    this.#put(a, b.position);
    this.#put(b, position);
  }

  #put(timer: Timer<Action>, position: number): void {
    timer.position = position;
    this.#heap[position] = timer;
  }
}

function isBefore<Action>(a: Timer<Action>, b: Timer<Action>): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);
}
