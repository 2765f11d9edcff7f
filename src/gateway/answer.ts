import type { HeadgateError } from "../core/errors.ts";
import type { TokenUsage } from "../core/vocabulary.ts";
import type { Outbox } from "./outbox.ts";

/** The way back to one client. Which of its two forms it has, the client chose with `stream`. */
export interface Answer {
  /** Tokens were granted to the outbox: what it gives out now may go to the client. */
  relay(choice: number, outbox: Outbox): void;
  /** One choice is complete. */
  finishChoice(choice: number, outbox: Outbox, finishReason: string): void;
  /** All of them are. */
  finish(usage: TokenUsage): void;
  fail(error: HeadgateError): void;
  /** Close the connection as it is. */
  drop(): void;
}

/** What every chunk and every answer of one request begins with. */
export interface AnswerIdentity {
  request: string;
  /** Seconds since the Unix epoch. */
  createdSeconds: number;
}

export function completionId(request: string): string {
  return `chatcmpl-${request}`;
}

/** Usage as OpenAI writes it. */
export function usageObject(usage: TokenUsage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}
