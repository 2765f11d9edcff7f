/**
 * Finds stop strings in text that arrives in pieces. Text that may turn out to be the
 * beginning of a stop string is held back until it is known not to be one, so nothing of a
 * stop string is ever given out.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";
  #matched = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** There is nothing to look for. */
  get isIdle(): boolean {
    return this.#stops.length === 0;
  }

  /** True once a stop string was complete; everything from its first character on is dropped. */
  get matched(): boolean {
    return this.#matched;
  }

  /** Takes the next piece and returns the text that is certain. */
  push(piece: string): string {
    if (this.#matched) return "";
    const text = this.#held + piece;
    const end = this.#firstMatch(text);
    if (end !== null) {
      this.#matched = true;
      this.#held = "";
      return text.slice(0, end);
    }
    const certain = text.length - this.#openLength(text);
    this.#held = text.slice(certain);
    return text.slice(0, certain);
  }

  /** The text held back, when no more will come. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /**
   * Where the stop string that is complete first begins. Judging by the end and not by the
   * beginning makes the answer independent of how the text was cut into pieces.
   */
  #firstMatch(text: string): number | null {
    let first: { start: number; end: number } | null = null;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      if (start === -1) continue;
      const end = start + stop.length;
      if (first === null || end < first.end || (end === first.end && start < first.start))
        first = { start, end };
    }
    return first?.start ?? null;
  }

  /** Length of the longest end of the text that begins some stop string. */
  #openLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
