import type { CacheReport } from "../core/events.ts";

/** As the worker's wire has it. */
const TOKENS_PER_BLOCK = 64;

/** Blocks of tokens whose names are remembered: some 200 bytes each. */
const REMEMBERED_MAX = 100_000;
/** Of each as many texts at most. */
const TEXTS_MAX = 4;

/**
 * Two ways to name the blocks of a prompt: the supervisor, which has no tokenizer, goes by text, and an engine's cache
 * by tokens. A worker that has read a prompt tells what the engine calls its blocks. From then on reports of the cache can
 * be put in the supervisor's words: a block of text is cached where the block of tokens is that covers its end, by its
 * place in the prompt.
 */
export class CacheNames {
  /** Blocks of text by the block of tokens that covers their end; who was used last comes last. */
  readonly #texts = new Map<number, number[]>();

  /** A prompt of so many tokens, in blocks of text and in blocks of tokens. */
  learn(prompt: { texts: readonly number[]; tokens: readonly number[]; promptTokens: number }): void {
    const { texts, tokens, promptTokens } = prompt;
    for (const [i, text] of texts.entries()) {
      // The last block of text is not full, so the end of this one is not behind this share of the prompt.
      const endTokens = ((i + 1) / (texts.length + 1)) * promptTokens;
      const block = tokens[Math.ceil(endTokens / TOKENS_PER_BLOCK) - 1];
      if (block !== undefined) this.#remember(block, text);
    }
  }

  /** The report in blocks of text; blocks that nobody has asked for by text are left out. */
  translate({ sequence, stored, removed }: CacheReport): CacheReport {
    return { sequence, stored: this.#textsOf(stored), removed: this.#textsOf(removed) };
  }

  #textsOf(blocks: readonly number[]): number[] {
    return blocks.flatMap((block) => this.#texts.get(block) ?? []);
  }

  #remember(block: number, text: number): void {
    const known = this.#texts.get(block) ?? [];
    this.#texts.delete(block);
    this.#texts.set(block, known.includes(text) ? known : [text, ...known].slice(0, TEXTS_MAX));
    if (this.#texts.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#texts.keys();
    this.#texts.delete(oldest!);
  }
}
