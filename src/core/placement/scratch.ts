/** Room for the scores of one decision, kept from one to the next so that deciding leaves no garbage. */
export class Scratch {
  #scores = new Float64Array(0);
  #totals = new Float64Array(0);

  /** Arrays of that length, with whatever was left in them. Good until the next call. */
  of(length: number): { scores: Float64Array; totals: Float64Array } {
    if (this.#scores.length !== length) {
      const bytes = length * Float64Array.BYTES_PER_ELEMENT;
      const isLarger = bytes > this.#scores.buffer.byteLength;
      this.#scores = new Float64Array(isLarger ? new ArrayBuffer(bytes) : this.#scores.buffer, 0, length);
      this.#totals = new Float64Array(isLarger ? new ArrayBuffer(bytes) : this.#totals.buffer, 0, length);
    }
    return { scores: this.#scores, totals: this.#totals };
  }
}
