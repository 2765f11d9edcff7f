import type { LlamaModel } from "node-llama-cpp";
import type { Detokenizer } from "../engine.ts";
import { toTokens } from "./token.ts";

/** How many tokens before the new ones decide about the space between them: as many as the library looks at. */
const CONTEXT_TOKENS = 3;
/** No character is spread over as many tokens as this; more without an end are rubbish and not waited for. */
const PENDING_TOKENS_MAX = 16;

/**
 * Text from tokens, one token at a time. A token may end in the middle of a UTF-8 character;
 * decoding it alone gives U+FFFD, the replacement character, in place of the part that is
 * there. Tokens are therefore decoded together until nothing at the end is missing, and a
 * replacement character at the end is never given out before it is known to be genuine.
 */
export class LlamaDetokenizer implements Detokenizer {
  readonly #model: LlamaModel;
  #context: readonly number[];
  #pending: number[] = [];
  /** How much of the text of `#pending` was given out. */
  #given = 0;

  constructor(options: { model: LlamaModel; prompt: readonly number[] }) {
    this.#model = options.model;
    this.#context = options.prompt.slice(-CONTEXT_TOKENS);
  }

  push(token: number): string {
    this.#pending.push(token);
    const text = this.#model.detokenize(toTokens(this.#pending), false, toTokens(this.#context));
    const complete = !text.endsWith("\uFFFD") || this.#pending.length >= PENDING_TOKENS_MAX;
    // An unfinished character at the end always decodes to exactly one replacement character,
    // so the text before it does not change any more.
    const end = complete ? text.length : text.length - 1;
    const fresh = text.slice(this.#given, end);
    this.#given = Math.max(this.#given, end);
    if (complete) this.#start();
    return fresh;
  }

  #start(): void {
    this.#context = [...this.#context, ...this.#pending].slice(-CONTEXT_TOKENS);
    this.#pending = [];
    this.#given = 0;
  }
}
