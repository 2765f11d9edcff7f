/** Weight of the latest answer against all before it. */
const ALPHA = 0.1;

/** How long answers have been, learnt as they end: an exponential moving average, and a plain one until that has enough. */
export class MeanOutput {
  readonly #parent: MeanOutput | null;
  #mean = 0;
  #answers = 0;

  /** Until it has seen an answer of its own it says what `parent` says. */
  constructor(parent: MeanOutput | null = null) {
    this.#parent = parent;
  }

  learn(tokens: number): void {
    this.#parent?.learn(tokens);
    this.#answers++;
    this.#mean += (tokens - this.#mean) * Math.max(ALPHA, 1 / this.#answers);
  }

  /** Tokens, at most `ceiling`, which is also the answer while nothing is known. */
  expected(ceiling: number): number {
    if (this.#answers > 0) return Math.min(ceiling, this.#mean);
    return this.#parent === null ? ceiling : this.#parent.expected(ceiling);
  }
}
