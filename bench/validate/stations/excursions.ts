/** What is this many lengths ago has no weight. */
const FORGOTTEN_LENGTHS = 12;

/**
 * How far the work that arrives runs ahead of the time that passes: X ← a·X + (service − gap·λ), with each job. Long lines come
 * from such excursions, so what a run had of them more or less than it should explains much of what its figures are off. What it
 * should have is known: services and gaps are independent, so the n-th cumulant of X is that of (service − gap·λ) over 1 − a^n.
 */
export class Excursions {
  readonly #keep: number;
  readonly #moments: readonly [number, number, number];
  #ahead = 0;
  #jobs = 0;
  #sums: [number, number, number] = [0, 0, 0];

  /** Remembers so many jobs. X begins in its stationary law, reached by `draw`s of the same surplus. */
  constructor(length: number, cumulants: readonly [number, number, number], draw: () => number) {
    this.#keep = 1 - 1 / length;
    const [k2, k3, k4] = cumulants.map((k, i) => k / (1 - this.#keep ** (i + 2))) as [number, number, number];
    this.#moments = [k2, k3, k4 + 3 * k2 ** 2];
    for (let i = 0; i < FORGOTTEN_LENGTHS * length; i++) this.#ahead = this.#keep * this.#ahead + draw();
  }

  add(surplus: number): void {
    const ahead = this.#keep * this.#ahead + surplus;
    const square = ahead * ahead;
    this.#ahead = ahead;
    this.#sums[0] += square;
    this.#sums[1] += square * ahead;
    this.#sums[2] += square * square;
    this.#jobs++;
  }

  /** Mean second, third and fourth power since the last call, less what they should be, in units of the variance. */
  take(): number[] {
    const unit = Math.sqrt(this.#moments[0]);
    const off = this.#sums.map(
      (sum, i) => (sum / Math.max(1, this.#jobs) - this.#moments[i]!) / unit ** (i + 2),
    );
    this.#sums = [0, 0, 0];
    this.#jobs = 0;
    return off;
  }
}
