import type { Logger } from "pino";
import type { EngineCounters, StateSource } from "../engine.ts";
import { prioritySlot } from "./batch-order.ts";
import { copyKv } from "./kv-copy.ts";
import { fetchKv, loadKv } from "./kv-state.ts";
import { reusablePrefix } from "./slot-choice.ts";
import type { Slot } from "./slot.ts";
import { toTokens } from "./token.ts";

/**
 * A prompt is evaluated in pieces of this many tokens. One call for all of it cannot be
 * interrupted: on 3,500 tokens it was seen to go on for 2.1 s after it was cancelled. Pieces
 * give the identical tokens afterwards, and let other sequences decode in the same batches.
 */
export const PREFILL_CHUNK_TOKENS = 64;

/**
 * One evaluation of a prompt for all slots that are to answer it.
 *
 * ```
 *   first slot   keeps cachedTokens ──▶ evaluates the rest ──┬──▶ answers
 *   other slots                                       copies └──▶ answer
 * ```
 * All of the prompt is evaluated but its last token: that one is evaluated by each slot when
 * its answer's first token is asked for. A slot that gets no copy evaluates the prompt itself.
 *
 * Of an answer that was begun elsewhere, the tokens so far are part of the prompt here. Its KV
 * state may come from there:
 *
 * ```
 *   only slot    keeps cachedTokens, not all ──▶ fetches state ──▶ evaluates the rest ──▶ answers
 * ```
 */
export class Prefill {
  /** Tokens that need no evaluation; more of them once state was fetched. */
  cachedTokens: number;
  usedState = false;
  readonly #slots: readonly Slot[];
  readonly #prompt: readonly number[];
  readonly #counters: EngineCounters;
  readonly #log: Logger;
  readonly #stateSource: StateSource | null;
  readonly #abandoned = new AbortController();
  readonly #left = new Set<Slot>();
  /** By slot, how much of the prompt it holds. */
  #shared: Promise<ReadonlyMap<Slot, number>> | null = null;

  constructor(options: {
    /** Taken already; the first holds the first `cachedTokens` of the prompt. */
    slots: readonly Slot[];
    prompt: readonly number[];
    cachedTokens: number;
    counters: EngineCounters;
    /** Only with one slot. */
    stateSource: StateSource | null;
    log: Logger;
  }) {
    this.#slots = options.slots;
    this.#prompt = options.prompt;
    this.cachedTokens = options.cachedTokens;
    this.#counters = options.counters;
    this.#stateSource = options.stateSource;
    this.#log = options.log;
  }

  /**
   * Resolves when this slot holds the prompt but its last token, or has left. Each slot calls it
   * once, and whoever is first makes it begin.
   */
  async into(slot: Slot): Promise<void> {
    this.#shared ??= this.#share();
    const held = await this.#shared;
    await this.#evaluate(slot, held.get(slot) ?? 0, () => this.#left.has(slot));
  }

  /** This slot needs no prompt any more. Resolves when nothing is being done in it on behalf of others. */
  async leave(slot: Slot): Promise<void> {
    this.#left.add(slot);
    if (this.#left.size === this.#slots.length) this.#abandoned.abort();
    await this.#shared;
  }

  async #share(): Promise<ReadonlyMap<Slot, number>> {
    const [first, ...others] = this.#slots;
    if (first === undefined) return new Map();
    if (this.#stateSource !== null) await this.#fetch(first, this.#stateSource);
    const held = new Map([[first, this.cachedTokens]]);
    if (others.length === 0) return held;
    const end = this.#prompt.length - 1;
    await this.#evaluate(first, this.cachedTokens, () => this.#left.size === this.#slots.length);
    for (const slot of others) await slot.keepOnly(0);
    if (this.#left.size === this.#slots.length || end === 0) return held;
    held.set(first, end);
    const copied = await copyKv({
      from: first.sequence,
      to: others.map((slot) => slot.sequence),
      log: this.#log,
    });
    for (const [index, slot] of others.entries()) held.set(slot, copied[index] === true ? end : 0);
    return held;
  }

  /** Puts state from elsewhere into the slot, unless it holds everything already. */
  async #fetch(slot: Slot, source: StateSource): Promise<void> {
    if (this.cachedTokens === this.#prompt.length - 1) return;
    const { sequence } = slot;
    const load = async (file: string): Promise<boolean> => {
      await slot.keepOnly(0);
      this.cachedTokens = 0;
      return loadKv({ sequence, file, log: this.#log });
    };
    const { signal } = this.#abandoned;
    if (!(await fetchKv({ source, load, signal, log: this.#log }))) return;
    // Whatever it is the state of, only what is at the beginning of this prompt stays.
    this.cachedTokens = reusablePrefix(sequence.contextTokens, this.#prompt);
    this.usedState = this.cachedTokens > 0;
  }

  /** Evaluates the prompt from its token number `from`, of which the slot holds those before. */
  async #evaluate(slot: Slot, from: number, isAbandoned: () => boolean): Promise<void> {
    const { sequence, number } = slot;
    const evaluationPriority = prioritySlot(number);
    await slot.keepOnly(from);
    const end = this.#prompt.length - 1;
    for (let at = from; at < end && !isAbandoned(); at += PREFILL_CHUNK_TOKENS) {
      const chunk = this.#prompt.slice(at, Math.min(at + PREFILL_CHUNK_TOKENS, end));
      const tokens = toTokens(chunk);
      await slot.step(() => sequence.evaluateWithoutGeneratingNewTokens(tokens, { evaluationPriority }));
      this.#counters.evaluatedTokens += chunk.length;
    }
  }
}
