import type { Batch, Outcome } from "./outcome.ts";

const BATCHES = 10;

/** Means over equally long stretches of a run, of whose beginning a share is not counted. */
export class Stretches {
  readonly #names: readonly string[];
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;
  readonly #controls: Float64Array;
  readonly #controlCounts: Float64Array;
  readonly #perBatch: number;
  readonly #skipped: number;
  readonly #batches: Batch[] = [];
  #jobs = 0;

  constructor(options: {
    figures: readonly string[];
    controls: number;
    requests: number;
    warmUpShare: number;
  }) {
    const { figures, controls, requests, warmUpShare } = options;
    this.#names = figures;
    this.#sums = new Float64Array(figures.length);
    this.#counts = new Float64Array(figures.length);
    this.#controls = new Float64Array(controls);
    this.#controlCounts = new Float64Array(controls);
    this.#perBatch = Math.ceil(requests / BATCHES);
    this.#skipped = Math.floor(requests * warmUpShare);
  }

  get isFull(): boolean {
    return this.#batches.length === BATCHES;
  }

  add(figure: number, value: number): void {
    this.#sums[figure]! += value;
    this.#counts[figure]!++;
  }

  /** A value whose true mean is 0. */
  control(index: number, value: number): void {
    this.#controls[index]! += value;
    this.#controlCounts[index]!++;
  }

  /** One more job is through. */
  next(): void {
    const counted = ++this.#jobs - this.#skipped;
    if (counted < 0 || counted % this.#perBatch !== 0) return;
    if (counted > 0) {
      this.#batches.push({
        figures: Object.fromEntries(this.#names.map((name, i) => [name, this.#sums[i]! / this.#counts[i]!])),
        controls: Array.from(this.#controls, (sum, i) => sum / this.#controlCounts[i]!),
      });
    }
    for (const sums of [this.#sums, this.#counts, this.#controls, this.#controlCounts]) sums.fill(0);
  }

  outcome(): Outcome {
    return { batches: this.#batches, whole: {}, requests: this.#jobs };
  }
}
