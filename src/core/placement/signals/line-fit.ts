/** What a sample still weighs after the next one has come: half after 34 samples. */
const FORGETTING = 0.98;
/** Weight of the wish for a slope of 0, against the spread of x: decides only while x hardly varies. */
const RIDGE = 1e-6;

/**
 * A line y ≈ a + b·x through samples that come one at a time, by least squares with exponential forgetting.
 * Neither a nor b is negative, since a longer queue makes nobody faster. Keeps five numbers.
 */
export class LineFit {
  /** Samples so far, up to 2^53. */
  samples = 0;
  #weight = 0;
  #meanX = 0;
  #meanY = 0;
  /** Weighted sums of squared deviations and of products. */
  #squares = 0;
  #products = 0;

  /** Infinite and negative figures are no samples. */
  add(x: number, y: number): void {
    if (!(x >= 0 && y >= 0 && x < Infinity && y < Infinity)) return;
    this.samples++;
    this.#weight = this.#weight * FORGETTING + 1;
    const share = 1 / this.#weight;
    const deviationX = x - this.#meanX;
    const deviationY = y - this.#meanY;
    this.#meanX += share * deviationX;
    this.#meanY += share * deviationY;
    this.#squares = FORGETTING * this.#squares + deviationX * (x - this.#meanX);
    this.#products = FORGETTING * this.#products + deviationX * (y - this.#meanY);
  }

  /** b, at most what lets the line start at 0. */
  get slope(): number {
    if (this.#squares <= 0) return 0;
    const ridge = RIDGE * this.#weight * this.#meanX * this.#meanX;
    const slope = this.#products / (this.#squares + ridge);
    const steepest = this.#meanX > 0 ? this.#meanY / this.#meanX : 0;
    return Math.min(Math.max(slope, 0), steepest);
  }

  /** The expected y, 0 without samples. */
  at(x: number): number {
    return Math.max(0, this.#meanY + this.slope * (x - this.#meanX));
  }
}
