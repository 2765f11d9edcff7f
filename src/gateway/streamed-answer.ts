import { eventFrame } from "../backends/event-stream.ts";
import type { BudgetView } from "../core/effects.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { Answer, Bill, Ending } from "../exchange/answer.ts";
import type { Outbox } from "../exchange/outbox.ts";
import { budgetHeaders, withBill } from "./bill.ts";
import { ClientStream } from "./client-stream.ts";
import type { ClientStreamOptions } from "./client-stream.ts";
import { errorDocument, respondWithError } from "./respond.ts";
import type { AnswerIdentity, ChoiceChunks, Surface } from "./surface.ts";

export interface StreamedAnswerOptions extends ClientStreamOptions, AnswerIdentity {
  surface: Surface;
}

/** An answer given as server-sent events. */
export class StreamedAnswer implements Answer {
  readonly #options: StreamedAnswerOptions;
  readonly #stream: ClientStream;
  readonly #chunksByChoice: ChoiceChunks[] = [];
  /** What the last choice to end came from, for the chunk with the usage. */
  #last: Outbox | null = null;
  /** The limit that made some choice shorter. */
  #shortage: BudgetView | null = null;

  constructor(options: StreamedAnswerOptions) {
    this.#options = options;
    this.#stream = new ClientStream(options);
  }

  tellBudgets(budgets: readonly BudgetView[]): void {
    this.#stream.headers = budgetHeaders(budgets);
  }

  relay(choice: number, outbox: Outbox): void {
    const taken = outbox.takeGranted();
    if (outbox.format === "text") this.#stream.append(this.#chunks(choice, outbox).text(taken));
    else this.#stream.append(taken);
  }

  finishChoice(choice: number, outbox: Outbox, ending: Ending): void {
    this.#last = outbox;
    this.#shortage ??= ending.shortage;
    this.relay(choice, outbox);
    // The frames of a remote API close with its own reason, unless they were cut short.
    if (outbox.format === "frames" && outbox.isComplete) return;
    this.#stream.append(this.#chunks(choice, outbox).finish(ending));
  }

  finish(bill: Bill): void {
    this.#stream.end(`${this.#usageFrame(bill)}data: [DONE]\n\n`);
  }

  /** Without `[DONE]`: no client may take a broken answer for a short one. */
  fail(error: HeadgateError): void {
    if (this.#stream.hasBegun) this.#stream.end(eventFrame(JSON.stringify(errorDocument(error))));
    else respondWithError(this.#options.response, this.#options.request, error, this.#stream.headers);
  }

  drop(): void {
    this.#stream.drop();
  }

  /** A remote API's own chunk where it has sent one, with what it can't know added. */
  #usageFrame(bill: Bill): string {
    if (!this.#options.includeUsage || this.#last === null) return "";
    const { usageChunk, model } = this.#last;
    if (usageChunk === null) {
      return eventFrame(JSON.stringify(this.#options.surface.usageChunk(this.#options, model, bill)));
    }
    return eventFrame(withBill(usageChunk, bill, this.#shortage));
  }

  #chunks(choice: number, outbox: Outbox): ChoiceChunks {
    return (this.#chunksByChoice[choice] ??= this.#options.surface.chunks(this.#options, choice, outbox));
  }
}
