import type { LlamaModel, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import type { EngineCounters, OpenOptions, TokenSource } from "../engine.ts";
import { prioritySlot } from "./batch-order.ts";
import { evaluateOptions } from "./sampling.ts";
import type { Slot } from "./slot.ts";
import { toTokens } from "./token.ts";

/**
 * A prompt is evaluated in pieces of this many tokens. One call for all of it cannot be
 * interrupted: on 3,500 tokens it was seen to go on for 2.1 s after it was cancelled. Pieces
 * give the identical tokens afterwards, and let other sequences decode in the same batches.
 */
export const PREFILL_CHUNK_TOKENS = 64;

/**
 * A generation on one sequence of a llama.cpp context.
 *
 * All of it comes from a single `evaluate()` iterator. Leaving that iterator alone pauses the
 * generation and changes nothing, however many others run meanwhile; a second `evaluate()`
 * begins with a fresh sampler, and a seeded answer continues differently from there.
 *
 * The token given out last is not yet in the KV cache: it is evaluated by the next call of
 * `next`. So a generation that is halted has nothing evaluated ahead of what it gave out.
 */
export class LlamaTokenSource implements TokenSource {
  readonly cachedTokens: number;
  readonly #slot: Slot;
  readonly #model: LlamaModel;
  readonly #counters: EngineCounters;
  readonly #prompt: readonly number[];
  readonly #ignoreEnd: boolean;
  readonly #options: SequenceEvaluateOptions;
  readonly #generated: number[] = [];
  #tokens: AsyncGenerator<Token, void> | null = null;
  #pending: Promise<number | null> = Promise.resolve(null);
  #closed = false;
  #closing: Promise<void> | null = null;

  /** The slot is taken already, and holds the first `cachedTokens` of the prompt. */
  constructor(options: {
    slot: Slot;
    model: LlamaModel;
    counters: EngineCounters;
    cachedTokens: number;
    contextTokens: number;
    open: OpenOptions;
  }) {
    const { slot, model, counters, cachedTokens, contextTokens, open } = options;
    this.#slot = slot;
    this.#model = model;
    this.#counters = counters;
    this.cachedTokens = cachedTokens;
    this.#prompt = open.prompt;
    this.#ignoreEnd = open.ignoreEnd;
    this.#options = evaluateOptions({
      sampling: open.sampling,
      generated: this.#generated,
      contextTokens,
    });
  }

  next(): Promise<number | null> {
    this.#pending = this.#advance();
    return this.#pending;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #advance(): Promise<number | null> {
    if (this.#closed) return null;
    this.#tokens ??= await this.#prefill();
    if (this.#closed) return null;
    const step = await this.#tokens.next();
    this.#counters.evaluatedTokens++;
    if (this.#closed || step.done === true) return null;
    this.#generated.push(step.value);
    return !this.#ignoreEnd && this.#model.isEogToken(step.value) ? null : step.value;
  }

  /** Evaluates the prompt but for its last token, which is evaluated when the answer's first is asked for. */
  async #prefill(): Promise<AsyncGenerator<Token, void>> {
    const { sequence, number } = this.#slot;
    const evaluationPriority = prioritySlot(number);
    await this.#slot.keepOnly(this.cachedTokens);
    const end = this.#prompt.length - 1;
    for (let at = this.cachedTokens; at < end && !this.#closed; at += PREFILL_CHUNK_TOKENS) {
      const chunk = this.#prompt.slice(at, Math.min(at + PREFILL_CHUNK_TOKENS, end));
      await sequence.evaluateWithoutGeneratingNewTokens(toTokens(chunk), { evaluationPriority });
      this.#counters.evaluatedTokens += chunk.length;
    }
    return sequence.evaluate(toTokens(this.#prompt.slice(end)), { ...this.#options, evaluationPriority });
  }

  async #release(): Promise<void> {
    const failed = await this.#pending.then(
      () => false,
      () => true,
    );
    await this.#tokens?.return();
    this.#slot.giveBack(performance.now());
    // After a fault nobody knows what the cells hold.
    if (failed) this.#slot.forget();
  }
}
