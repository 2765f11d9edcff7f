/** What a sample still weighs after the next one has come: half after 138 samples. */
const FORGETTING = 0.995;
/** Wish for flat slopes, against the spread of samples: decides only where they hardly vary, or vary together. */
const RIDGE = 1e-6;

/**
 * A plane y ≈ a + b·x + c·z through samples that come one at a time, by least squares with exponential forgetting.
 * Neither b nor c is negative, since more work makes nobody faster; where one would be, the other has to do.
 * Keeps nine numbers.
 */
export class PlaneFit {
  /** Samples so far, up to 2^53. */
  samples = 0;
  /** b and c. */
  slopeX = 0;
  slopeZ = 0;
  #weight = 0;
  #meanX = 0;
  #meanZ = 0;
  #meanY = 0;
  /** Weighted sums of products of deviations from the means. */
  #xx = 0;
  #zz = 0;
  #xz = 0;
  #xy = 0;
  #zy = 0;

  /** Infinite and negative figures are no samples. */
  add({ x, z, y }: { x: number; z: number; y: number }): void {
    if (!(x >= 0 && z >= 0 && y >= 0 && x < Infinity && z < Infinity && y < Infinity)) return;
    this.samples++;
    this.#weight = this.#weight * FORGETTING + 1;
    const [fromX, fromZ, fromY] = [x - this.#meanX, z - this.#meanZ, y - this.#meanY];
    this.#meanX += fromX / this.#weight;
    this.#meanZ += fromZ / this.#weight;
    this.#meanY += fromY / this.#weight;
    const [toX, toZ, toY] = [x - this.#meanX, z - this.#meanZ, y - this.#meanY];
    this.#xx = FORGETTING * this.#xx + fromX * toX;
    this.#zz = FORGETTING * this.#zz + fromZ * toZ;
    this.#xz = FORGETTING * this.#xz + fromX * toZ;
    this.#xy = FORGETTING * this.#xy + fromX * toY;
    this.#zy = FORGETTING * this.#zy + fromZ * toY;
    this.#solve();
  }

  /** The expected y, 0 without samples. */
  at(x: number, z: number): number {
    const { slopeX, slopeZ } = this;
    return Math.max(0, this.#meanY + slopeX * (x - this.#meanX) + slopeZ * (z - this.#meanZ));
  }

  #solve(): void {
    const xx = this.#xx + RIDGE * this.#weight * this.#meanX ** 2;
    const zz = this.#zz + RIDGE * this.#weight * this.#meanZ ** 2;
    const determinant = xx * zz - this.#xz * this.#xz;
    const b = determinant > 0 ? (this.#xy * zz - this.#zy * this.#xz) / determinant : -1;
    const c = determinant > 0 ? (this.#zy * xx - this.#xy * this.#xz) / determinant : -1;
    if (b >= 0 && c >= 0) {
      this.slopeX = b;
      this.slopeZ = c;
    } else {
      // One of them alone: x, unless it is the one that goes down.
      const usesX = c < 0;
      this.slopeX = usesX && xx > 0 ? Math.max(0, this.#xy / xx) : 0;
      this.slopeZ = !usesX && zz > 0 ? Math.max(0, this.#zy / zz) : 0;
    }
  }
}
