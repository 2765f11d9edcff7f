import type { ServerResponse } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { TokenUsage } from "../core/vocabulary.ts";
import { completionId, usageObject } from "./answer.ts";
import type { Answer, AnswerIdentity } from "./answer.ts";
import type { Outbox } from "./outbox.ts";
import { end, errorDocument, respondWithError } from "./respond.ts";
import type { TickFlusher } from "./tick-flusher.ts";

export interface StreamedAnswerOptions extends AnswerIdentity {
  response: ServerResponse;
  includeUsage: boolean;
  flusher: TickFlusher;
  /** The client has stopped reading: its socket's buffer is full. */
  onBlocked: () => void;
  /** It has read that buffer empty. */
  onDrained: () => void;
}

/**
 * An answer given as server-sent events.
 *
 * The status line waits for the first token, so a failure before it can still be told by
 * status. Everything relayed in one turn of the event loop leaves in one write.
 */
export class StreamedAnswer implements Answer {
  readonly #options: StreamedAnswerOptions;
  readonly #response: ServerResponse;
  readonly #framesByChoice: ChoiceFrames[] = [];
  /** The variant that answered, for the chunk with the usage; null while there is none to send. */
  #model: string | null = null;
  /** Frames not written yet. */
  #pending = "";
  #blocked = false;
  #ended = false;

  constructor(options: StreamedAnswerOptions) {
    this.#options = options;
    this.#response = options.response;
  }

  relay(choice: number, outbox: Outbox): void {
    if (this.#pending === "") this.#options.flusher.schedule(this);
    this.#append(choice, outbox);
  }

  finishChoice(choice: number, outbox: Outbox, finishReason: string): void {
    this.relay(choice, outbox);
    // The frames of a remote API close with its own reason, unless they were cut short.
    if (outbox.format === "frames" && outbox.isComplete) return;
    this.#pending += this.#frames(choice, outbox).finish(finishReason);
    // A remote API has sent its own usage among its frames.
    if (outbox.format === "text") this.#model = outbox.model;
  }

  finish(usage: TokenUsage): void {
    if (this.#options.includeUsage && this.#model !== null) {
      const head = chunkHead(this.#options, this.#model);
      this.#pending += `${head}"choices":[],"usage":${JSON.stringify(usageObject(usage))}}\n\n`;
    }
    this.#end(`${this.#pending}data: [DONE]\n\n`);
  }

  /** Without `[DONE]`: no client may take a broken answer for a short one. */
  fail(error: HeadgateError): void {
    if (!this.#response.headersSent && this.#pending === "") {
      this.#ended = true;
      respondWithError(this.#response, this.#options.request, error);
      return;
    }
    this.#end(`${this.#pending}data: ${JSON.stringify(errorDocument(error))}\n\n`);
  }

  drop(): void {
    this.#ended = true;
    this.#response.destroy();
  }

  /** Called by the flusher at the end of the turn. While the client is blocked, frames wait for it to drain. */
  flush(): void {
    if (this.#ended || this.#blocked || this.#pending === "" || this.#response.destroyed) return;
    const pending = this.#pending;
    this.#pending = "";
    this.#sendHead();
    if (this.#response.write(pending)) return;
    this.#blocked = true;
    this.#response.once("drain", () => this.#drained());
    this.#options.onBlocked();
  }

  #drained(): void {
    this.#blocked = false;
    this.flush();
    if (!this.#blocked) this.#options.onDrained();
  }

  #append(choice: number, outbox: Outbox): void {
    const taken = outbox.takeGranted();
    if (taken === "") return;
    this.#pending += outbox.format === "text" ? this.#frames(choice, outbox).content(taken) : taken;
  }

  #frames(choice: number, outbox: Outbox): ChoiceFrames {
    return (this.#framesByChoice[choice] ??= new ChoiceFrames(this.#options, choice, outbox.model));
  }

  #end(text: string): void {
    this.#ended = true;
    if (this.#response.destroyed) return;
    this.#sendHead();
    end(this.#response, text);
  }

  #sendHead(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-request-id": this.#options.request,
    });
  }
}

/** The chunks of one choice: all but the text is the same in each, and made once. */
class ChoiceFrames {
  readonly #beforeDelta: string;
  readonly #afterDelta: string;
  readonly #usage: string;
  #opened = false;

  constructor(options: StreamedAnswerOptions, choice: number, model: string) {
    // With usage asked for, OpenAI sends a null in all chunks but the last.
    this.#usage = options.includeUsage ? `],"usage":null}\n\n` : `]}\n\n`;
    this.#beforeDelta = `${chunkHead(options, model)}"choices":[{"index":${choice},"delta":`;
    this.#afterDelta = `,"logprobs":null,"finish_reason":null}${this.#usage}`;
  }

  content(text: string): string {
    return `${this.#open()}${this.#beforeDelta}{"content":${JSON.stringify(text)}}${this.#afterDelta}`;
  }

  finish(reason: string): string {
    const open = this.#open();
    return `${open}${this.#beforeDelta}{},"logprobs":null,"finish_reason":${JSON.stringify(reason)}}${this.#usage}`;
  }

  #open(): string {
    if (this.#opened) return "";
    this.#opened = true;
    return `${this.#beforeDelta}{"role":"assistant","content":"","refusal":null}${this.#afterDelta}`;
  }
}

function chunkHead({ request, createdSeconds }: AnswerIdentity, model: string): string {
  return `data: {"id":"${completionId(request)}","object":"chat.completion.chunk","created":${createdSeconds},"model":${JSON.stringify(model)},`;
}
