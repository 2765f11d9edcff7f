import type { LlamaContextSequence } from "node-llama-cpp";
import type { SlotView } from "./slot-choice.ts";
import type { Steps } from "./steps.ts";

/**
 * One sequence of the context, and what it holds.
 *
 * ```
 *   empty ──take──▶ taken ──give back──▶ keeping tokens ──take──▶ taken …
 *     ▲                                        │
 *     └──────────────── forget ────────────────┘
 * ```
 */
export class Slot implements SlotView {
  readonly sequence: LlamaContextSequence;
  /** Counted from 0, as llama.cpp counts its sequences. */
  readonly number: number;
  readonly #steps: Steps;
  taken = false;
  kept: readonly number[] = [];
  session: string | null = null;
  idleSinceMs = 0;
  /** Erasing waits for the batch being evaluated; the next user of the slot waits for the erasing. */
  #erasing: Promise<void> = Promise.resolve();

  constructor(options: { sequence: LlamaContextSequence; number: number; steps: Steps }) {
    this.#steps = options.steps;
    this.sequence = options.sequence;
    this.number = options.number;
  }

  take(session: string | null): void {
    this.taken = true;
    this.session = session;
  }

  /** Has something evaluated in its sequence, in a batch with what others want. */
  step<T>(work: () => Promise<T>): Promise<T> {
    return this.#steps.take(this.number, work);
  }

  /** Shortens what the sequence holds to its first `tokens` tokens. */
  async keepOnly(tokens: number): Promise<void> {
    await this.#erasing;
    const end = this.sequence.nextTokenIndex;
    if (tokens < end) await this.sequence.eraseContextTokenRanges([{ start: tokens, end }]);
  }

  giveBack(nowMs: number): void {
    this.kept = this.sequence.contextTokens;
    this.taken = false;
    this.idleSinceMs = nowMs;
  }

  forget(): void {
    this.kept = [];
    this.session = null;
    this.idleSinceMs = 0;
    this.#erasing = this.#erasing.then(() => this.sequence.clearHistory());
    // A context that cannot erase is broken; whoever uses the slot next is told.
    this.#erasing.catch(() => {});
  }
}
