import type { LlamaModel, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import type { ChosenLogprob, EngineCounters, SavedState, TokenSource } from "../engine.ts";
import { prioritySlot } from "./batch-order.ts";
import type { Logprobs } from "./logprobs.ts";
import type { Prefill } from "./prefill.ts";
import type { Slot } from "./slot.ts";
import { toTokens } from "./token.ts";

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
  readonly #slot: Slot;
  readonly #model: LlamaModel;
  readonly #counters: EngineCounters;
  readonly #prefill: Prefill;
  /** The last token that is there, from which the next comes. */
  readonly #first: Token[];
  readonly #ignoreEnd: boolean;
  readonly #options: SequenceEvaluateOptions;
  readonly #logprobs: Logprobs | null;
  readonly #generated: number[];
  #prefilled: Promise<void> | null = null;
  #tokens: AsyncGenerator<Token, void> | null = null;
  #pending: Promise<unknown> = Promise.resolve();
  #closed = false;
  #closing: Promise<void> | null = null;

  constructor(options: {
    /** Taken already. */
    slot: Slot;
    model: LlamaModel;
    counters: EngineCounters;
    prefill: Prefill;
    /** With the answer so far, where it was begun elsewhere. */
    prompt: readonly number[];
    ignoreEnd: boolean;
    sampling: SequenceEvaluateOptions;
    logprobs: Logprobs | null;
    /** The answer so far. Gets the tokens as they come: what `sampling` looks at. */
    generated: number[];
  }) {
    this.#slot = options.slot;
    this.#model = options.model;
    this.#counters = options.counters;
    this.#prefill = options.prefill;
    this.#first = toTokens(options.prompt.slice(-1));
    this.#ignoreEnd = options.ignoreEnd;
    this.#options = { ...options.sampling, evaluationPriority: prioritySlot(options.slot.number) };
    this.#logprobs = options.logprobs;
    this.#generated = options.generated;
  }

  get cachedTokens(): number {
    return this.#prefill.cachedTokens;
  }

  get usedState(): boolean {
    return this.#prefill.usedState;
  }

  get logprob(): ChosenLogprob | null {
    return this.#logprobs?.last ?? null;
  }

  prefill(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#prefilled ??= this.#prefill.into(this.#slot);
    this.#pending = this.#prefilled;
    return this.#prefilled;
  }

  next(): Promise<number | null> {
    const token = this.#advance();
    this.#pending = token;
    return token;
  }

  saveState(path: string): Promise<SavedState> {
    const saved = this.#save(path);
    this.#pending = saved.catch(() => {});
    return saved;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #advance(): Promise<number | null> {
    if (this.#closed) return null;
    const tokens = (this.#tokens ??= await this.#begin());
    if (this.#closed) return null;
    const step = await this.#slot.step(() => tokens.next());
    this.#counters.evaluatedTokens++;
    if (this.#closed || step.done === true) return null;
    this.#generated.push(step.value);
    return !this.#ignoreEnd && this.#model.isEogToken(step.value) ? null : step.value;
  }

  /** A pause of the iterator is no obstacle: it has no lock then. */
  async #save(path: string): Promise<SavedState> {
    const { sequence } = this.#slot;
    const tokens = sequence.nextTokenIndex;
    const { fileSize } = await sequence.saveStateToFile(path);
    return { tokens, bytes: fileSize };
  }

  async #begin(): Promise<AsyncGenerator<Token, void>> {
    this.#prefilled ??= this.#prefill.into(this.#slot);
    await this.#prefilled;
    const { sequence } = this.#slot;
    return this.#logprobs === null
      ? sequence.evaluate(this.#first, this.#options)
      : this.#logprobs.evaluate(sequence, this.#first, this.#options);
  }

  async #release(): Promise<void> {
    const [left, pending] = await Promise.allSettled([this.#prefill.leave(this.#slot), this.#pending]);
    await this.#tokens?.return();
    this.#slot.giveBack(performance.now());
    // After a fault nobody knows what the cells hold.
    if (left.status === "rejected" || pending.status === "rejected") this.#slot.forget();
  }
}
