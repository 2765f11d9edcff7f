import type { Ending } from "../exchange/answer.ts";
import type { Outbox, TokenLogprob } from "../exchange/outbox.ts";
import { shortageField, usageObject } from "./bill.ts";
import { chatLogprobs } from "./logprobs.ts";
import type { AnswerIdentity, ChoiceChunks, Surface } from "./surface.ts";
import { createToolCallReader } from "./tool-calls.ts";
import type { AnswerPart, ToolCallReader } from "./tool-calls.ts";

/** Answers in the shape of `/v1/chat/completions`. */
export const chatSurface: Surface = {
  chunks: (identity, choice, outbox) => new ChatChunks(identity, choice, outbox),
  usageChunk: (identity, model, bill) => ({
    ...head(identity, model, "chat.completion.chunk"),
    choices: [],
    usage: usageObject(bill),
  }),
  choice: (index, outbox, { text, ending, request }) => {
    const reader = createToolCallReader(outbox.toolCalls);
    const parts: AnswerPart[] =
      reader === null ? [{ kind: "content", text }] : [...reader.push(text), ...reader.end()];
    const message = messageOf(parts, callIds(request, index));
    return {
      index,
      message,
      logprobs: chatLogprobs(outbox.takeLogprobs()),
      finish_reason: finishReason(ending, "tool_calls" in message),
      ...shortageField(ending.shortage),
    };
  },
  head: (identity, model) => head(identity, model, "chat.completion"),
};

function head({ request, createdSeconds }: AnswerIdentity, model: string, object: string): object {
  return { id: `chatcmpl-${request}`, object, created: createdSeconds, model };
}

function messageOf(parts: readonly AnswerPart[], nextId: () => string): object {
  let content = "";
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] = [];
  for (const part of parts) {
    if (part.kind === "content") content += part.text;
    else if (part.kind === "call") {
      calls.push({ id: nextId(), type: "function", function: { name: part.name, arguments: "" } });
    } else calls.at(-1)!.function.arguments += part.text;
  }
  const message = { role: "assistant", content, refusal: null };
  return calls.length === 0 ? message : { ...message, content: content || null, tool_calls: calls };
}

/** A generation that ends by itself behind a call ends for the sake of it. */
function finishReason({ finishReason: reason }: Ending, hasCalls: boolean): string {
  return hasCalls && reason === "stop" ? "tool_calls" : reason;
}

/** Unique for ever, as the request's own id is. */
function callIds(request: string, choice: number): () => string {
  let count = 0;
  return () => `call_${request}_${choice}_${count++}`;
}

/** The chunks of one choice: all but the delta is the same in each, and made once. */
class ChatChunks implements ChoiceChunks {
  readonly #outbox: Outbox;
  readonly #reader: ToolCallReader | null;
  readonly #nextId: () => string;
  readonly #beforeDelta: string;
  readonly #end: string;
  readonly #afterDelta: string;
  #opened = false;
  /** Calls begun so far. */
  #calls = 0;

  constructor(identity: AnswerIdentity, choice: number, outbox: Outbox) {
    this.#outbox = outbox;
    this.#reader = createToolCallReader(outbox.toolCalls);
    this.#nextId = callIds(identity.request, choice);
    const fields = JSON.stringify(head(identity, outbox.model, "chat.completion.chunk")).slice(0, -1);
    this.#beforeDelta = `data: ${fields},"choices":[{"index":${choice},"delta":`;
    // With usage asked for, OpenAI sends a null in all chunks but the last.
    this.#end = identity.includeUsage ? `}],"usage":null}\n\n` : `}]}\n\n`;
    this.#afterDelta = `,"logprobs":null,"finish_reason":null${this.#end}`;
  }

  text(text: string): string {
    if (this.#reader !== null) return this.#parts(this.#reader.push(text));
    const logprobs = this.#outbox.takeLogprobs();
    return text === "" && logprobs === null ? "" : this.#delta(contentDelta(text), logprobs);
  }

  finish(ending: Ending): string {
    const rest = this.#reader === null ? "" : this.#parts(this.#reader.end());
    const reason = JSON.stringify(finishReason(ending, this.#calls > 0));
    const shortage = JSON.stringify(shortageField(ending.shortage)).slice(1, -1);
    const tail = shortage === "" ? this.#end : `,${shortage}${this.#end}`;
    const logprobs = JSON.stringify(chatLogprobs(this.#outbox.takeLogprobs()));
    const last = `${this.#beforeDelta}{},"logprobs":${logprobs},"finish_reason":${reason}${tail}`;
    return rest + this.#open() + last;
  }

  #parts(parts: readonly AnswerPart[]): string {
    let frames = "";
    for (const part of parts) frames += this.#delta(this.#partDelta(part), this.#outbox.takeLogprobs());
    return frames;
  }

  #partDelta(part: AnswerPart): string {
    switch (part.kind) {
      case "content":
        return contentDelta(part.text);
      case "call": {
        const called = { name: part.name, arguments: "" };
        const call = { index: this.#calls++, id: this.#nextId(), type: "function", function: called };
        return JSON.stringify({ tool_calls: [call] });
      }
      case "arguments":
        return JSON.stringify({
          tool_calls: [{ index: this.#calls - 1, function: { arguments: part.text } }],
        });
    }
  }

  #delta(delta: string, logprobs: TokenLogprob[] | null): string {
    const before = this.#open() + this.#beforeDelta + delta;
    if (logprobs === null) return before + this.#afterDelta;
    return `${before},"logprobs":${JSON.stringify(chatLogprobs(logprobs))},"finish_reason":null${this.#end}`;
  }

  #open(): string {
    if (this.#opened) return "";
    this.#opened = true;
    return `${this.#beforeDelta}{"role":"assistant","content":"","refusal":null}${this.#afterDelta}`;
  }
}

function contentDelta(text: string): string {
  return `{"content":${JSON.stringify(text)}}`;
}
