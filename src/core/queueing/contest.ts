import type { Micros } from "../units.ts";
import type { Contender, Sharing } from "./contracts.ts";

/** Contenders with packets waiting, and the policy that says who of them is next. */
export class Contest<C extends Contender> {
  /** In the order in which they joined, which decides between equals. */
  readonly #waiting = new Set<C>();
  #policy: Sharing;

  constructor(policy: Sharing) {
    this.#policy = policy;
  }

  /** Told of everything that concerns its contenders but their coming and going. */
  get policy(): Sharing {
    return this.#policy;
  }

  /** In the order in which they joined. */
  [Symbol.iterator](): Iterator<C> {
    return this.#waiting.values();
  }

  /** To be called whenever the number of packets that wait for a contender may have changed. */
  update(contender: C, nowUs: Micros): void {
    const isIn = this.#waiting.has(contender);
    if (contender.waiting > 0 === isIn) return;
    if (isIn) {
      this.#waiting.delete(contender);
      this.#policy.left?.(contender, nowUs);
    } else {
      this.#policy.joined?.(contender, nowUs);
      this.#waiting.add(contender);
    }
  }

  /** The next of those that can be served now; null when none can. */
  best(canBeServed: (contender: C) => boolean, nowUs: Micros): C | null {
    let best: C | null = null;
    let lowest = Infinity;
    for (const contender of this.#waiting) {
      if (!canBeServed(contender)) continue;
      const rank = this.#policy.rank(contender, nowUs);
      if (best === null || rank < lowest) {
        best = contender;
        lowest = rank;
      }
    }
    return best;
  }

  /** Goes on by another policy, which learns who is there as if all had come now. */
  replace(policy: Sharing, nowUs: Micros): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#policy = policy;
    for (const contender of waiting) this.update(contender, nowUs);
  }
}
