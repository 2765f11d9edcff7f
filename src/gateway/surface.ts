import type { Bill, Ending } from "../exchange/answer.ts";
import type { Outbox } from "../exchange/outbox.ts";

/** What every chunk and every answer of one request begins with. */
export interface AnswerIdentity {
  request: string;
  /** Seconds since the Unix epoch. */
  createdSeconds: number;
  /** Whether a last chunk with the usage was asked for. */
  includeUsage: boolean;
}

/** One of OpenAI's two shapes of an answer: that of chat completions, or that of completions. */
export interface Surface {
  /** The chunks of one choice of a stream. */
  chunks(identity: AnswerIdentity, choice: number, outbox: Outbox): ChoiceChunks;
  /** What a stream's last chunk with the usage holds. */
  usageChunk(identity: AnswerIdentity, model: string, bill: Bill): object;
  /** One choice of an answer given as a whole. */
  choice(index: number, outbox: Outbox, ended: { text: string; ending: Ending; request: string }): object;
  /** The whole, without its choices and usage. */
  head(identity: AnswerIdentity, model: string): object;
}

/** Server-sent events, ready to be written. */
export interface ChoiceChunks {
  /** For text that may be empty, when tokens have come that are no whole character yet. */
  text(text: string): string;
  finish(ending: Ending): string;
}
