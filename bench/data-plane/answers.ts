/** What scripted upstreams answer: generations of so many tokens, of which nothing was generated. */
import { MODELS } from "./dialects.ts";

/** From one token of a stream to the next. */
export const TOKEN_MS = 5;
const PROMPT_TOKENS = 200;
const ANSWER = "Hello there, this is what an answer looks like. ".repeat(8);

/** The frames of one stream: before the first token, each token, behind the last. */
export interface Frames {
  head: string;
  token: (i: number) => string;
  tail: string;
}

/** In the worker's dialect. */
export function workerFrames(tokens: number): Frames {
  const usage = { prompt_tokens: PROMPT_TOKENS, cached_tokens: 0, completion_tokens: tokens };
  return {
    head: frame({ type: "started", prompt_tokens: PROMPT_TOKENS, cached_tokens: 0 }),
    token: (i) => frame({ type: "tokens", seq: i, ids: [i], text: " word" }),
    tail: frame({ type: "done", finish_reason: "length", usage }),
  };
}

/** In OpenAI's. */
export function chatFrames(tokens: number, usageWanted: boolean): Frames {
  const word = chunk({ content: " word" }, null);
  const usage = frame({ ...chunkHead("chat.completion.chunk"), choices: [], usage: chatUsage(tokens) });
  return {
    head: chunk({ role: "assistant", content: "" }, null),
    token: () => word,
    tail: `${chunk({}, "length")}${usageWanted ? usage : ""}data: [DONE]\n\n`,
  };
}

/** The same as one document. */
export function chatDocument(tokens: number): string {
  const message = { role: "assistant", content: ANSWER, refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: "length" }];
  return JSON.stringify({ ...chunkHead("chat.completion"), choices, usage: chatUsage(tokens) });
}

function chunk(delta: object, finishReason: string | null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return frame({ ...chunkHead("chat.completion.chunk"), choices });
}

function chunkHead(object: string): object {
  return { id: "chatcmpl-bench", object, created: 1_750_000_000, model: MODELS.remote };
}

function chatUsage(tokens: number): object {
  return {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: tokens,
    total_tokens: PROMPT_TOKENS + tokens,
  };
}

function frame(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
