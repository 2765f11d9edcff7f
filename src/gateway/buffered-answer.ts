import type { ServerResponse } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { TokenUsage } from "../core/vocabulary.ts";
import { completionId, usageObject } from "./answer.ts";
import type { Answer, AnswerIdentity } from "./answer.ts";
import type { Outbox } from "./outbox.ts";
import { respond, respondWithError } from "./respond.ts";

/** An answer given as one document. Until then its pieces stay in the outboxes, so an attempt can start over elsewhere. */
export class BufferedAnswer implements Answer {
  readonly #response: ServerResponse;
  readonly #identity: AnswerIdentity;
  /** In order of choice, with holes while others are still running. */
  readonly #choices: object[] = [];
  #model = "";
  /** The whole answer of a remote API, which needs nothing from us. */
  #document: string | null = null;

  constructor(response: ServerResponse, identity: AnswerIdentity) {
    this.#response = response;
    this.#identity = identity;
  }

  relay(): void {}

  finishChoice(choice: number, outbox: Outbox, finishReason: string): void {
    const text = outbox.takeGranted();
    if (outbox.format === "document") {
      this.#document = text;
      return;
    }
    this.#model = outbox.model;
    this.#choices[choice] = {
      index: choice,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: null,
      finish_reason: finishReason,
    };
  }

  finish(usage: TokenUsage): void {
    const { request, createdSeconds } = this.#identity;
    if (this.#document === "") {
      const message = "The upstream answered with more tokens than it was allowed.";
      this.fail({ code: "upstream_failed", message });
      return;
    }
    const body =
      this.#document ??
      JSON.stringify({
        id: completionId(request),
        object: "chat.completion",
        created: createdSeconds,
        model: this.#model,
        choices: this.#choices,
        usage: usageObject(usage),
      });
    respond(this.#response, { status: 200, request, body });
  }

  fail(error: HeadgateError): void {
    respondWithError(this.#response, this.#identity.request, error);
  }

  drop(): void {
    this.#response.destroy();
  }
}
