/** Texts that become one special token each, and where they stand in other text. */
export class SpecialTexts {
  /** By first UTF-16 code unit; the lengths of the texts that begin with it, longest first. */
  readonly #lengths = new Map<number, number[]>();
  readonly #texts: ReadonlySet<string>;
  readonly #lengthMax: number;

  constructor(texts: readonly string[]) {
    this.#texts = new Set(texts.filter((text) => text !== ""));
    this.#lengthMax = Math.max(0, ...[...this.#texts].map((text) => text.length));
    for (const text of this.#texts) {
      const lengths = this.#lengths.get(text.charCodeAt(0)) ?? [];
      if (!lengths.includes(text.length)) lengths.push(text.length);
      this.#lengths.set(
        text.charCodeAt(0),
        lengths.sort((a, b) => b - a),
      );
    }
  }

  /** The longest special text that begins at this place; null when none does. */
  at(text: string, place: number): string | null {
    for (const length of this.#lengths.get(text.charCodeAt(place)) ?? []) {
      const candidate = text.slice(place, place + length);
      if (this.#texts.has(candidate)) return candidate;
    }
    return null;
  }

  /** Whether nothing special overlaps what begins here, so that it is recognised whatever stands around it. */
  standsAlone(text: string, place: number): boolean {
    const end = place + (this.at(text, place)?.length ?? 0);
    if (end === place) return false;
    for (let before = Math.max(0, place - this.#lengthMax + 1); before < place; before++) {
      if (before + (this.at(text, before)?.length ?? 0) > place) return false;
    }
    for (let inside = place + 1; inside < end; inside++) {
      if (this.at(text, inside) !== null) return false;
    }
    return true;
  }
}
