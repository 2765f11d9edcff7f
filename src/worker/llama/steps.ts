import type { PrioritizedBatchItem } from "node-llama-cpp";
import { slotOf } from "./batch-order.ts";

/**
 * Keeps the steps of one context whole: whoever wants something evaluated while a batch is under way waits until all of
 * it is back, and then they all go into the next one together.
 *
 * ```
 *   open ──the library takes a batch──▶ under way ──all of it is back, and a turn of the event loop later──▶ open
 * ```
 * By itself the library begins the next batch as soon as the first sequence wants another token, while others are still
 * being sampled: those miss it, and from then on somebody always waits for the batch after. That makes small batches. Worse,
 * the library keeps its lock on the context for as long as anybody waits, so that a new prompt, whose slot has to be cleared
 * of an old one, could not begin before the others had all ended: 300 ms were seen where 60 do.
 */
export class Steps {
  /** Slots with something to evaluate. */
  readonly #working = new Set<number>();
  /** Slots of the batch under way that are not back. */
  #underWay: Set<number> | null = null;
  #opening = Promise.withResolvers<void>();

  /** The library takes this batch. */
  begin(batch: PrioritizedBatchItem[]): PrioritizedBatchItem[] {
    // A piece that is too long for one batch comes back with a later one.
    const whole = batch.filter(({ item, processAmount }) => processAmount === item.tokens.length);
    const slots = whole.map(({ item }) => slotOf(item.evaluationPriority));
    const underWay = new Set(slots.filter((slot) => this.#working.has(slot)));
    if (underWay.size > 0) this.#underWay = underWay;
    return batch;
  }

  /** Has something evaluated for a slot, with the next batch. Rejects as the work does. */
  async take<T>(slot: number, work: () => Promise<T>): Promise<T> {
    while (this.#underWay !== null) await this.#opening.promise;
    this.#working.add(slot);
    try {
      return await work();
    } finally {
      this.#working.delete(slot);
      this.#back(slot);
    }
  }

  #back(slot: number): void {
    const batch = this.#underWay;
    if (batch === null || !batch.delete(slot) || batch.size > 0) return;
    // In this turn the library finds that nobody waits, and lets go of the context.
    setImmediate(() => this.#open(batch));
  }

  #open(batch: Set<number>): void {
    // Another one has begun meanwhile, with what was too long for this one.
    if (this.#underWay !== batch) return;
    this.#underWay = null;
    this.#opening.resolve();
    this.#opening = Promise.withResolvers();
  }
}
