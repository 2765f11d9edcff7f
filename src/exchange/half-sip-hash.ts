/** 64 bits that nobody else knows. */
export type HashKey = readonly [number, number];

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, 2012) over a growing text: a hash for tables that hold what strangers send.
 * Who does not know the key can't find two texts of one value, which simpler fast hashes allow whatever their seed.
 */
export class HalfSipHash {
  #v0: number;
  #v1: number;
  #v2: number;
  #v3: number;

  constructor([low, high]: HashKey) {
    this.#v0 = low;
    this.#v1 = high ^ 0xee;
    this.#v2 = low ^ 0x6c796765;
    this.#v3 = high ^ 0x74656462;
  }

  /** Takes in words of 32 bits, from `start` to before `end`. */
  update(words: Int32Array, start: number, end: number): void {
    // In variables of its own, where the loop keeps them in registers.
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let at = start; at < end; at++) {
      const word = words[at]!;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  /** The value of all that was taken in so far, in 52 bits; more may follow. */
  value(): number {
    const end = new HalfSipHash([0, 0]);
    end.#v0 = this.#v0;
    end.#v1 = this.#v1;
    end.#v2 = this.#v2 ^ 0xff;
    end.#v3 = this.#v3;
    const low = end.#finish();
    end.#v1 ^= 0xdd;
    return (end.#finish() & 0xfffff) * 2 ** 32 + (low >>> 0);
  }

  #finish(): number {
    this.update(THREE_ROUNDS, 0, THREE_ROUNDS.length);
    return this.#v1 ^ this.#v3;
  }
}

/** A word of zero makes a round and nothing else. */
const THREE_ROUNDS = new Int32Array(3);
