import { EventStreamParser, eventFrame } from "../backends/event-stream.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { Answer } from "../exchange/answer.ts";
import type { Outbox } from "../exchange/outbox.ts";
import { ClientStream } from "./client-stream.ts";
import type { ClientStreamOptions } from "./client-stream.ts";
import { respondWithCoordinatorError } from "./coordinator-error.ts";
import { errorDocument } from "./respond.ts";

/** The answer to `POST /coordinator/infer`: an event for each piece of text, and one that says it was the last. */
export class InferAnswer implements Answer {
  readonly #options: ClientStreamOptions;
  readonly #stream: ClientStream;
  /** Events so far. */
  #seq = 0;
  /** Reads the text out of the frames of a remote API, where one answers. */
  readonly #frames = new EventStreamParser((data) => this.#say(deltaOf(data)));

  constructor(options: ClientStreamOptions) {
    this.#options = options;
    this.#stream = new ClientStream({ ...options, holdsStatus: true });
  }

  /** This surface tells what a limit leaves only when it leaves too little. */
  tellBudgets(): void {}

  relay(_choice: number, outbox: Outbox): void {
    const taken = outbox.takeGranted();
    if (outbox.format === "text") this.#say(taken);
    else this.#frames.push(Buffer.from(taken));
  }

  finishChoice(choice: number, outbox: Outbox): void {
    this.relay(choice, outbox);
  }

  finish(): void {
    this.#stream.end(this.#event("", true));
  }

  /** Once tokens have gone out, an event of its own: no client may take a broken answer for a short one. */
  fail(error: HeadgateError): void {
    if (this.#stream.hasBegun) {
      this.#stream.end(eventFrame(JSON.stringify({ ...errorDocument(error), finished: true })));
    } else {
      respondWithCoordinatorError(this.#options.response, this.#options.request, error);
    }
  }

  drop(): void {
    this.#stream.drop();
  }

  #say(text: string): void {
    if (text !== "") this.#stream.append(this.#event(text, false));
  }

  #event(token: string, finished: boolean): string {
    return eventFrame(JSON.stringify({ token, seq: this.#seq++, finished }));
  }
}

/** The text in a chunk of a remote API. */
function deltaOf(data: string): string {
  if (data === "[DONE]") return "";
  const chunk = JSON.parse(data) as { choices?: { delta?: { content?: unknown } }[] };
  const content = chunk.choices?.[0]?.delta?.content;
  return typeof content === "string" ? content : "";
}
