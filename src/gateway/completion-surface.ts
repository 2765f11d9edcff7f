import type { Ending } from "../exchange/answer.ts";
import type { Outbox } from "../exchange/outbox.ts";
import { shortageField, usageObject } from "./bill.ts";
import { completionLogprobs } from "./logprobs.ts";
import type { AnswerIdentity, ChoiceChunks, Surface } from "./surface.ts";

/** Answers in the shape of `/v1/completions`. */
export const completionSurface: Surface = {
  chunks: (identity, choice, outbox) => new CompletionChunks(identity, choice, outbox),
  usageChunk: (identity, model, bill) => ({
    ...head(identity, model),
    choices: [],
    usage: usageObject(bill),
  }),
  choice: (index, outbox, { text, ending }) => ({
    index,
    text,
    logprobs: completionLogprobs(outbox.takeLogprobs(), 0),
    finish_reason: ending.finishReason,
    ...shortageField(ending.shortage),
  }),
  head,
};

function head({ request, createdSeconds }: AnswerIdentity, model: string): object {
  return { id: `cmpl-${request}`, object: "text_completion", created: createdSeconds, model };
}

class CompletionChunks implements ChoiceChunks {
  readonly #outbox: Outbox;
  readonly #beforeText: string;
  readonly #end: string;
  /** Characters of the tokens whose logprobs went out. */
  #offset = 0;

  constructor(identity: AnswerIdentity, choice: number, outbox: Outbox) {
    this.#outbox = outbox;
    const fields = JSON.stringify(head(identity, outbox.model)).slice(0, -1);
    this.#beforeText = `data: ${fields},"choices":[{"index":${choice},"text":`;
    this.#end = identity.includeUsage ? `}],"usage":null}\n\n` : `}]}\n\n`;
  }

  text(text: string): string {
    const logprobs = this.#logprobs();
    return text === "" && logprobs === "null" ? "" : this.#chunk(text, logprobs, `null`);
  }

  finish({ finishReason, shortage }: Ending): string {
    const field = JSON.stringify(shortageField(shortage)).slice(1, -1);
    const reason = JSON.stringify(finishReason);
    return this.#chunk("", this.#logprobs(), field === "" ? reason : `${reason},${field}`);
  }

  #chunk(text: string, logprobs: string, reason: string): string {
    return `${this.#beforeText}${JSON.stringify(text)},"logprobs":${logprobs},"finish_reason":${reason}${this.#end}`;
  }

  /** Of the tokens since the last chunk, as JSON. */
  #logprobs(): string {
    const logprobs = this.#outbox.takeLogprobs();
    if (logprobs === null) return "null";
    const written = JSON.stringify(completionLogprobs(logprobs, this.#offset));
    for (const { token } of logprobs) this.#offset += token.length;
    return written;
  }
}
