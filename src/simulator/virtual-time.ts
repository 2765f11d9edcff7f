import { Timers } from "../core/timers.ts";
import type { Micros } from "../core/units.ts";

/**
 * The world's clock and everything that is going to happen in it. It jumps from one happening to the next;
 * what is due at the same instant happens in the order it was arranged.
 */
export class VirtualTime {
  readonly #happenings = new Timers<() => void>();
  readonly startUs: Micros;
  #nowUs: Micros;

  constructor(startUs: Micros) {
    this.startUs = startUs;
    this.#nowUs = startUs;
  }

  get nowUs(): Micros {
    return this.#nowUs;
  }

  /** Milliseconds since the Unix epoch, as a process reads them from a clock that is right. */
  get nowMs(): number {
    return Math.floor(this.#nowUs / 1_000);
  }

  after(delayUs: Micros, happen: () => void): () => void {
    return this.at(this.#nowUs + Math.max(0, Math.round(delayUs)), happen);
  }

  /** Returns the way to call it off. */
  at(atUs: Micros, happen: () => void): () => void {
    const timer = this.#happenings.set(Math.max(atUs, this.#nowUs), happen);
    return () => this.#happenings.cancel(timer);
  }

  /** Lets the next thing happen; false when that would be later than `untilUs`. */
  step(untilUs: Micros): boolean {
    const next = this.#happenings.takeDue(untilUs);
    if (next === null) return false;
    this.#nowUs = next.atUs;
    next.action();
    return true;
  }
}
