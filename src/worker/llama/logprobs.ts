import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import type { ChosenLogprob, TokenLogprob } from "../engine.ts";
import { LOGPROB_MIN } from "../engine.ts";
import type { TokenBytes } from "./token-bytes.ts";

/**
 * How likely each token of an answer was, and which others were. The library gives the
 * probabilities after the sampling options were applied: at temperature 0 they are the model's
 * own, and otherwise those of the distribution that the token was drawn from.
 */
export class Logprobs {
  readonly #bytes: TokenBytes;
  readonly #top: number;
  #last: ChosenLogprob | null = null;

  constructor(options: { bytes: TokenBytes; top: number }) {
    this.#bytes = options.bytes;
    this.#top = options.top;
  }

  /** Of the token that came last. */
  get last(): ChosenLogprob | null {
    return this.#last;
  }

  /** As the sequence's own `evaluate`. It copies the probabilities of the whole vocabulary for every token. */
  async *evaluate(
    sequence: LlamaContextSequence,
    tokens: Token[],
    options: SequenceEvaluateOptions,
  ): AsyncGenerator<Token, void> {
    const metadata = { probabilities: true } as const;
    for await (const { token, probabilities } of sequence.evaluateWithMetadata(tokens, metadata, options)) {
      this.#last = this.#describe(token, probabilities);
      yield token;
    }
  }

  /** `probabilities` has the likeliest first. */
  #describe(token: Token, probabilities: ReadonlyMap<Token, number>): ChosenLogprob {
    const top: TokenLogprob[] = [];
    for (const [id, probability] of probabilities) {
      if (top.length >= this.#top) break;
      top.push(this.#entry(id, probability));
    }
    return { ...this.#entry(token, probabilities.get(token) ?? 0), top };
  }

  #entry(id: number, probability: number): TokenLogprob {
    const logprob = probability > 0 ? Math.log(probability) : LOGPROB_MIN;
    return { id, token: this.#bytes.text(id), bytes: this.#bytes.of(id), logprob };
  }
}
