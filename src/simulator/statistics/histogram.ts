/** Buckets an octave: a value is known to one part in that many. */
const PER_OCTAVE = 4_096;
const OCTAVES = 41;

/**
 * Counts of whole numbers from 0 to 2^53 in buckets that grow with the value, so that millions of values take 1.4 MB
 * whatever their number. Below 4,096 exact, above to 1/4,096 of the value. The idea is HdrHistogram's (Tene).
 */
export class Histogram {
  readonly #counts = new Float64Array(PER_OCTAVE * (OCTAVES + 1));
  count = 0;

  add(value: number): void {
    this.#counts[bucketOf(value)]!++;
    this.count++;
  }

  clear(): void {
    this.#counts.fill(0);
    this.count = 0;
  }

  /** The value that a fraction `q` of all does not exceed, in proportion within its bucket; NaN without values. */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN;
    let left = q * this.count;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const inside = this.#counts[bucket]!;
      if (inside >= left && inside > 0) {
        const [start, width] = rangeOf(bucket);
        return width === 1 ? start : start + (width * left) / inside;
      }
      left -= inside;
    }
    return Number.NaN;
  }
}

function bucketOf(value: number): number {
  if (value < PER_OCTAVE) return value;
  const octave = Math.floor(Math.log2(value)) - Math.log2(PER_OCTAVE);
  return PER_OCTAVE * (octave + 1) + Math.floor(value / 2 ** octave) - PER_OCTAVE;
}

function rangeOf(bucket: number): [start: number, width: number] {
  if (bucket < PER_OCTAVE) return [bucket, 1];
  const octave = Math.floor(bucket / PER_OCTAVE) - 1;
  const width = 2 ** octave;
  return [(PER_OCTAVE + (bucket % PER_OCTAVE)) * width, width];
}
