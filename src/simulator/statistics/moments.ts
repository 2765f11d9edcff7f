/**
 * Count, mean and variance of numbers as they come, in one pass and without loss of digits: Welford, "Note on a
 * method for calculating corrected sums of squares and products", Technometrics 4 (1962).
 */
export class Moments {
  count = 0;
  mean = 0;
  /** Σ (x − mean)². */
  #squares = 0;

  add(value: number): void {
    this.count++;
    const before = value - this.mean;
    this.mean += before / this.count;
    this.#squares += before * (value - this.mean);
  }

  /** Of the sample, with n − 1 below the line; NaN for fewer than two values. */
  get variance(): number {
    return this.count < 2 ? Number.NaN : this.#squares / (this.count - 1);
  }

  get deviation(): number {
    return Math.sqrt(this.variance);
  }
}

export function momentsOf(values: Iterable<number>): Moments {
  const moments = new Moments();
  for (const value of values) moments.add(value);
  return moments;
}

/** NaN without values. */
export function mean(values: Iterable<number>): number {
  const moments = momentsOf(values);
  return moments.count === 0 ? Number.NaN : moments.mean;
}

/** Of the sample, with n − 1 below the line; NaN for fewer than two values. */
export function variance(values: Iterable<number>): number {
  return momentsOf(values).variance;
}
