import type { AnswerSlice } from "../core/effects.ts";
import type { SliceAsked, SliceOpening, SupervisorEvent } from "../core/events.ts";

export type SliceQuestion = { account: string } & (SliceOpening | { action: "show" | "close" });

type OnAnswer = (answer: AnswerSlice) => void;

/** Questions about slices that are on their way to the core, each for a client that waits: so there are no more than those. */
export class SliceQuestions {
  readonly #submit: (event: SupervisorEvent) => void;
  readonly #waiting = new Map<string, OnAnswer>();

  constructor(submit: (event: SupervisorEvent) => void) {
    this.#submit = submit;
  }

  /** `id` is that of the client's call. What is asked for is done even if the client does not wait for it. */
  ask(id: string, question: SliceQuestion, onAnswer: OnAnswer): void {
    this.#waiting.set(id, onAnswer);
    const event: SliceAsked = { kind: "slice_asked", ask: id, ...question };
    this.#submit(event);
  }

  answered(answer: AnswerSlice): void {
    const onAnswer = this.#waiting.get(answer.ask);
    this.#waiting.delete(answer.ask);
    onAnswer?.(answer);
  }
}
