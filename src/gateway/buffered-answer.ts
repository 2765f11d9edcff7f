import type { ServerResponse } from "node:http";
import type { BudgetView } from "../core/effects.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { Answer, Bill, Ending } from "../exchange/answer.ts";
import type { Outbox } from "../exchange/outbox.ts";
import { budgetHeaders, costHeaders, usageObject, withBill } from "./bill.ts";
import { respond, respondWithError } from "./respond.ts";
import type { AnswerIdentity, Surface } from "./surface.ts";

export interface BufferedAnswerOptions extends AnswerIdentity {
  response: ServerResponse;
  surface: Surface;
}

/** An answer given as one document. Until then its pieces stay in the outboxes, so an attempt can start over elsewhere. */
export class BufferedAnswer implements Answer {
  readonly #options: BufferedAnswerOptions;
  /** In order of choice, with holes while others are still running. */
  readonly #choices: object[] = [];
  #model = "";
  /** The whole answer of a remote API, to which only the cost has to be added. */
  #document: string | null = null;
  /** The limit that made it shorter. */
  #shortage: BudgetView | null = null;
  /** As they were before the answer; an answer that fails tells them, one that does not tells what is left after it. */
  #budgets: readonly BudgetView[] = [];

  constructor(options: BufferedAnswerOptions) {
    this.#options = options;
  }

  tellBudgets(budgets: readonly BudgetView[]): void {
    this.#budgets = budgets;
  }

  relay(): void {}

  finishChoice(choice: number, outbox: Outbox, ending: Ending): void {
    const { request, surface } = this.#options;
    const text = outbox.takeGranted();
    // It has been cut off, by time, before its document came: an answer of ours stands for it.
    const isOutOfTime = text === "" && ending.shortage?.unit === "gpu_seconds";
    if (outbox.format === "document" && !isOutOfTime) {
      // All choices of a remote API come in one document, with the first of them.
      this.#document ??= text;
      this.#shortage ??= ending.shortage;
      return;
    }
    this.#model = outbox.model;
    this.#choices[choice] = surface.choice(choice, outbox, { text, ending, request });
  }

  finish(bill: Bill): void {
    const { response, request } = this.#options;
    if (this.#document === "") {
      const message = "The upstream answered with more tokens than it was allowed.";
      this.fail({ code: "upstream_failed", message });
      return;
    }
    // What is left once all is posted is more than what was left when all was held.
    const headers = { ...budgetHeaders(bill.budgets), ...costHeaders(bill) };
    respond(response, { status: 200, request, body: this.#body(bill), headers });
  }

  fail(error: HeadgateError): void {
    const { response, request } = this.#options;
    respondWithError(response, request, error, budgetHeaders(this.#budgets));
  }

  drop(): void {
    this.#options.response.destroy();
  }

  #body(bill: Bill): string {
    if (this.#document !== null) return withBill(this.#document, bill, this.#shortage);
    const head = this.#options.surface.head(this.#options, this.#model);
    return JSON.stringify({ ...head, choices: this.#choices, usage: usageObject(bill) });
  }
}
