import { SpecialTexts } from "./special-texts.ts";

/** First code point of Unicode's private use area: it means nothing, so nobody writes it by accident. */
const PRIVATE_USE_START = 0xe000;

/**
 * Keeps message contents from forming special tokens.
 *
 * A rendered conversation is tokenised with special tokens recognised, or the template's own
 * would be lost. A user who writes `<|im_end|>` would then end his message and could begin
 * one in the name of the system. So wherever a content holds a special token's text, or a
 * part of one at its edge that could become whole beside another text, a separator is put
 * in, at which the rendered text is cut before it is tokenised. All other text is left as
 * it is: tokens across the edge of a message come out as in training, and templates that
 * trim or compare contents work.
 */
export class InjectionGuard {
  readonly #specialTexts: SpecialTexts;
  readonly #beginnings = new Set<string>();
  readonly #ends = new Set<string>();
  #lengthMax = 0;

  constructor(specialTexts: readonly string[]) {
    this.#specialTexts = new SpecialTexts(specialTexts);
    for (const text of specialTexts) {
      if (text === "") continue;
      this.#lengthMax = Math.max(this.#lengthMax, text.length);
      for (let length = 1; length < text.length; length++) {
        this.#beginnings.add(text.slice(0, length));
        this.#ends.add(text.slice(text.length - length));
      }
    }
  }

  /** The contents with separators put in, and the separator: a string that none of them had. */
  protect(contents: readonly string[]): { texts: string[]; separator: string } {
    const separator = unusedCharacter(contents);
    return { texts: contents.map((content) => this.#cut(content, separator)), separator };
  }

  #cut(content: string, separator: string): string {
    // Templates often trim; what is an edge after trimming has to be guarded as well.
    const body = content.trim();
    if (body === "") return content;
    const start = content.indexOf(body);
    return (
      content.slice(0, start) +
      (this.#endsSpecial(body) ? separator : "") +
      this.#cutInside(body, separator) +
      (this.#beginsSpecial(body) ? separator : "") +
      content.slice(start + body.length)
    );
  }

  /** Puts a separator behind the first character of every special text, overlapping ones too. */
  #cutInside(body: string, separator: string): string {
    let cut = "";
    let at = 0;
    for (const character of body) {
      cut += this.#specialTexts.at(body, at) === null ? character : character + separator;
      at += character.length;
    }
    return cut;
  }

  /** Whether the text's beginning could be the end of a special text. */
  #endsSpecial(body: string): boolean {
    return this.#anyLength(body, (length) => this.#ends.has(body.slice(0, length)));
  }

  /** Whether the text's end could be the beginning of a special text. */
  #beginsSpecial(body: string): boolean {
    return this.#anyLength(body, (length) => this.#beginnings.has(body.slice(body.length - length)));
  }

  #anyLength(body: string, test: (length: number) => boolean): boolean {
    for (let length = Math.min(body.length, this.#lengthMax - 1); length > 0; length--) {
      if (test(length)) return true;
    }
    return false;
  }
}

/** Looks through the contents once, whatever they hold: some may hold all of the private use area. */
function unusedCharacter(contents: readonly string[]): string {
  const used = new Set<string>();
  for (const content of contents) {
    for (const [character] of content.matchAll(/[\u{E000}-\u{10FFFF}]/gu)) used.add(character);
  }
  let code = PRIVATE_USE_START;
  while (used.has(String.fromCodePoint(code))) code++;
  return String.fromCodePoint(code);
}
