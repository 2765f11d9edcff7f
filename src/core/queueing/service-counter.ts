import type { Contender, Service, Sharing } from "./contracts.ts";
import { type TokenWeights, weigh } from "./token-weights.ts";

/**
 * A counter of service for each contender, and the lowest goes first. One that comes back is lifted to the lowest of
 * those that were there all the time: nobody saves up by being idle, and nobody is owed anything.
 */
export class ServiceCounter implements Sharing {
  readonly #weights: TokenWeights;
  readonly #counters = new WeakMap<Contender, number>();
  readonly #waiting = new Set<Contender>();
  #lastLeft: Contender | null = null;

  constructor(weights: TokenWeights) {
    this.#weights = weights;
  }

  rank(contender: Contender): number {
    return this.#counters.get(contender)!;
  }

  joined(contender: Contender): void {
    const own = this.#counters.get(contender) ?? 0;
    this.#counters.set(contender, Math.max(own, this.#level()));
    this.#waiting.add(contender);
  }

  left(contender: Contender): void {
    this.#waiting.delete(contender);
    this.#lastLeft = contender;
  }

  charged(contender: Contender, service: Service): void {
    const own = this.#counters.get(contender) ?? 0;
    this.#counters.set(contender, own + weigh(service, this.#weights) / contender.weight);
  }

  /** What whoever comes is lifted to. */
  #level(): number {
    if (this.#waiting.size === 0) {
      return this.#lastLeft === null ? -Infinity : this.#counters.get(this.#lastLeft)!;
    }
    let lowest = Infinity;
    for (const contender of this.#waiting) lowest = Math.min(lowest, this.#counters.get(contender)!);
    return lowest;
  }
}
