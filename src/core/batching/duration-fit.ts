import type { Micros } from "../units.ts";
import type { BatchObserved } from "./contracts.ts";

/** Batches that are remembered. */
const SAMPLES_MAX = 50;

/**
 * How long batches take, by their size: duration = a·n + b, fitted by least squares to the latest ones. Neither is ever
 * negative. All zero until something has been seen.
 */
export class DurationFit {
  readonly #samples: BatchObserved[] = [];
  /** For each one in the batch, and for the batch. */
  perItemUs: Micros = 0;
  baseUs: Micros = 0;
  /** How long the first of a batch has waited, on average. */
  meanWaitUs: Micros = 0;

  add(batch: BatchObserved): void {
    this.#samples.push(batch);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    this.#fit();
  }

  durationUs(size: number): Micros {
    return this.perItemUs * size + this.baseUs;
  }

  #fit(): void {
    const count = this.#samples.length;
    const mean = (of: (batch: BatchObserved) => number) =>
      this.#samples.reduce((sum, batch) => sum + of(batch), 0) / count;
    const meanSize = mean(({ size }) => size);
    const meanUs = mean(({ durationUs }) => durationUs);
    const variance = mean(({ size }) => (size - meanSize) ** 2);
    const covariance = mean(({ size, durationUs }) => (size - meanSize) * (durationUs - meanUs));
    // Batches that were all of one size say nothing of another.
    const slope = variance > 0 ? covariance / variance : 0;
    this.perItemUs = Math.min(Math.max(0, slope), meanUs / meanSize);
    this.baseUs = meanUs - this.perItemUs * meanSize;
    this.meanWaitUs = mean(({ waitUs }) => waitUs);
  }
}
