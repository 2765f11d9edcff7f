/** What a sample still weighs after the next one has come. */
const FORGETTING = 0.98;
/** Samples that say "as fast as the others", before any have come. */
const PRIOR = 10;
/** An endpoint within this factor of the others counts as equal to them: noise decides nothing. */
const TOLERANCE = 1.25;

/**
 * How much longer an endpoint takes than what is usual for its model: 1 for one like the others, 2 for one that
 * takes twice as long. One number learns faster, and with less noise, than a line of its own would.
 */
export class Slowness {
  #observed = 0;
  #expected = 0;
  #weight = 0;

  /** Took `observed` where `expected` would be usual, both positive. */
  add(observed: number, expected: number): void {
    if (!(observed > 0 && expected > 0 && observed < Infinity && expected < Infinity)) return;
    this.#observed = this.#observed * FORGETTING + observed;
    this.#expected = this.#expected * FORGETTING + expected;
    this.#weight = this.#weight * FORGETTING + 1;
  }

  get factor(): number {
    if (this.#weight === 0) return 1;
    const prior = (PRIOR * this.#expected) / this.#weight;
    const factor = (this.#observed + prior) / (this.#expected + prior);
    return factor > TOLERANCE || factor < 1 / TOLERANCE ? factor : 1;
  }
}
