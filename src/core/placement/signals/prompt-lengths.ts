/** Weight of a new prompt in the average. */
const ALPHA = 0.05;
/** Models whose prompts are known; those of models that come later count as long as their bound. */
const MODELS_MAX = 1_000;

/**
 * How long prompts are. A request brings an upper bound, which without a tokenizer may be far too high;
 * workers tell afterwards how long the prompt really was.
 */
export class PromptLengths {
  /** Tokens for each token of the bound, on average, by model. */
  readonly #shares = new Map<string, number>();

  observed(model: string, { tokens, tokensMax }: { tokens: number; tokensMax: number }): void {
    const before = this.#shares.get(model);
    if (tokensMax <= 0 || (before === undefined && this.#shares.size >= MODELS_MAX)) return;
    const share = Math.min(1, tokens / tokensMax);
    this.#shares.set(model, before === undefined ? share : before + ALPHA * (share - before));
  }

  expected(model: string, tokensMax: number): number {
    return tokensMax * (this.#shares.get(model) ?? 1);
  }
}
