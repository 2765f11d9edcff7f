import type { CustomBatchingPrioritizationStrategy, EvaluationPriority } from "node-llama-cpp";

/**
 * The order of sequences in a batch: ascending, always.
 *
 * The library samples the sequences of a batch in parallel, on several threads. When a batch
 * names its sequences in another order than llama.cpp evaluates them in, llama.cpp puts the
 * outputs right when they are first read, and that is not safe on several threads: sequences
 * were seen to get each other's logits, and answered "The capital of France is Paris.inland."
 * (12 of 80 greedy answers were wrong with eight at a time). llama.cpp evaluates in ascending
 * order, one token of every sequence first and the rest of longer pieces afterwards. So
 * batches are sorted, and whatever has an output is a single token: then nothing has to be
 * put right. Sorted sequences are evaluated together besides, where unsorted ones are not.
 *
 * The library tells a strategy nothing of an item's sequence, but passes a priority through
 * as it is; the slot's number takes its place.
 */
export function prioritySlot(slot: number): EvaluationPriority {
  return slot as EvaluationPriority;
}

/** The slot whose priority it is. */
export function slotOf(priority: EvaluationPriority): number {
  return priority;
}

/** Single tokens all find room; what is left of the batch goes to pieces of prompts. */
export const inSequenceOrder: CustomBatchingPrioritizationStrategy = ({ items, size }) => {
  let room = size - items.filter((item) => item.tokens.length === 1).length;
  return items
    .toSorted((a, b) => a.evaluationPriority - b.evaluationPriority)
    .map((item) => {
      if (item.tokens.length === 1) return { item, processAmount: 1 };
      const processAmount = Math.min(item.tokens.length, room);
      room -= processAmount;
      return { item, processAmount };
    })
    .filter(({ processAmount }) => processAmount > 0);
};
