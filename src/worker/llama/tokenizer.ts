import type { LlamaModel } from "node-llama-cpp";
import { PromptTooLongError } from "../engine.ts";
import { SpecialTexts } from "./special-texts.ts";
import { toTokens } from "./token.ts";

/**
 * llama.cpp searches all of a text for each special token, again behind each one it found:
 * 20,000 short messages in one text took 3.4 s, and twice as many take four times that. Cut
 * into parts of about this many UTF-16 code units, a text takes time in proportion to its length.
 */
const PART_LENGTH = 2_048;
/**
 * No text that people write has as many characters to a token. A text that would have to have
 * more is tried slice by slice first, so that one too long is refused after its beginning.
 */
const LIKELY_CHARACTERS_PER_TOKEN = 8;
/** A slice cuts words; nothing like half of the tokens of a text comes of its cuts. */
const DOUBT = 2;

/** Makes tokens of text with special tokens recognised, at a cost bounded by the context, not by the text. */
export class Tokenizer {
  readonly #model: LlamaModel;
  readonly #contextTokens: number;
  /** What llama.cpp looks for. */
  readonly #recognised: SpecialTexts;
  /** Those that take the white space before them away, and so can't be parted from it. */
  readonly #leftStripping: ReadonlySet<string>;

  constructor(options: { model: LlamaModel; contextTokens: number }) {
    const { model, contextTokens } = options;
    this.#model = model;
    this.#contextTokens = contextTokens;
    const recognised: string[] = [];
    const leftStripping = new Set<string>();
    const { tokens } = model.fileInfo.metadata.tokenizer.ggml;
    for (const token of model.iterateAllTokens()) {
      const attributes = model.getTokenAttributes(token);
      if (!attributes.control && !attributes.unknown && !attributes.userDefined) continue;
      const text = tokens[token] ?? "";
      recognised.push(text);
      if (attributes.lstrip) leftStripping.add(text);
    }
    this.#recognised = new SpecialTexts(recognised);
    this.#leftStripping = leftStripping;
  }

  /** Tokens of one text. Throws {@link PromptTooLongError}. */
  tokens(text: string): number[] {
    return this.join([text]);
  }

  /**
   * Tokens of texts that are to be one without any token reaching from one to the next.
   * Throws {@link PromptTooLongError} as soon as they are more than the context has room for.
   */
  join(texts: Iterable<string>): number[] {
    const tokens: number[] = [];
    let isFirst = true;
    for (const text of texts) {
      for (const token of this.#ofText(text, isFirst ? undefined : "trimLeadingSpace", tokens.length)) {
        tokens.push(token);
      }
      isFirst = false;
    }
    return this.#withBos(tokens);
  }

  /** Gives at most as many tokens as there is room for behind `used` others. */
  *#ofText(text: string, leadingSpace: "trimLeadingSpace" | undefined, used: number): Generator<number> {
    let count = used;
    let start = 0;
    while (start < text.length) {
      const end = this.#partEnd(text, start);
      const part = text.slice(start, end);
      this.refuseHopeless(part, count);
      // Behind a cut there is a special token, before which no space is put in.
      const tokens = this.#model.tokenize(part, true, start === 0 ? leadingSpace : undefined);
      count += tokens.length;
      if (count > this.#contextTokens) throw new PromptTooLongError();
      yield* tokens;
      start = end;
    }
  }

  /** The next special token from which on tokens are the same without what stands before it. */
  #partEnd(text: string, start: number): number {
    for (let end = start + PART_LENGTH; end < text.length; end++) {
      const special = this.#recognised.at(text, end);
      if (special === null || this.#leftStripping.has(special)) continue;
      if (this.#recognised.standsAlone(text, end)) return end;
    }
    return text.length;
  }

  /**
   * Throws {@link PromptTooLongError} for most texts that don't fit behind `used` tokens, after a
   * look at their beginning, and never for one that fits: before work on the whole of a text.
   */
  refuseHopeless(text: string, used = 0): void {
    const room = this.#contextTokens - used;
    if (text.length <= room * LIKELY_CHARACTERS_PER_TOKEN) return;
    let tokens = 0;
    for (let at = 0; at < text.length; at += PART_LENGTH) {
      tokens += this.#model.tokenize(text.slice(at, at + PART_LENGTH), true).length;
      if (tokens > room * DOUBT + DOUBT) throw new PromptTooLongError();
    }
  }

  /** Adds the beginning-of-sequence token where the model wants one and the text did not bring it. */
  #withBos(tokens: number[]): number[] {
    const { bos, shouldPrependBosToken } = this.#model.tokens;
    if (!shouldPrependBosToken || bos === null || tokens[0] === bos) return tokens;
    return [bos, ...tokens];
  }
}

/**
 * Bytes of the longest token, special ones included. The names of tokens in a file are at least
 * as long as what they stand for, so a text of more than n times as many bytes has more than n tokens.
 */
export function longestTokenBytes(model: LlamaModel): number {
  const { tokens } = model.fileInfo.metadata.tokenizer.ggml;
  return tokens.reduce((longest, token) => Math.max(longest, Buffer.byteLength(token)), 1);
}

/** Texts that become one control token when special tokens are recognised, such as `<|im_start|>`. */
export function controlTokenTexts(model: LlamaModel): string[] {
  const texts: string[] = [];
  for (const token of model.iterateAllTokens()) {
    const attributes = model.getTokenAttributes(token);
    if (attributes.control || attributes.unknown) texts.push(model.detokenize(toTokens([token]), true));
  }
  return texts;
}
