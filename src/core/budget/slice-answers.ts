import type { SliceView } from "../effects.ts";

/** Whom an answer is for, and what it says. */
export interface SliceAnswer {
  /** The replica that has asked; absent where there is one supervisor only. */
  replica?: string;
  ask: string;
  slice: SliceView;
}

/** Answers that have to wait until the ledger is durable up to what they tell of. */
export class SliceAnswers {
  readonly #answer: (answer: SliceAnswer) => void;
  /** In ledger order. */
  readonly #waiting: (SliceAnswer & { sequence: number })[] = [];
  /** The last entry about a slice, and how far the ledger is durable. */
  #last = 0;
  #durable = 0;

  constructor(answer: (answer: SliceAnswer) => void) {
    this.#answer = answer;
  }

  /** That entry has opened or closed a slice: whatever is answered from now on may tell of it. */
  wrote(sequence: number): void {
    this.#last = sequence;
  }

  /** Once all that has become of slices is durable: at once where it is. */
  answer(answer: SliceAnswer): void {
    if (this.#last <= this.#durable) this.#answer(answer);
    else this.#waiting.push({ ...answer, sequence: this.#last });
  }

  durable(through: number): void {
    this.#durable = through;
    while (this.#waiting.length > 0 && this.#waiting[0]!.sequence <= through) {
      const { sequence: _sequence, ...answer } = this.#waiting.shift()!;
      this.#answer(answer);
    }
  }
}
