import type { ServerResponse } from "node:http";
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { PAUSE_MS, type Script } from "../script.ts";
import type { Books, Call } from "./books.ts";

/** One token, in every tokenizer in wide use and in this one. */
export const TOKEN = " hello";
/** Written in one go at most, where nothing is paced. */
const CHUNKS_AT_ONCE = 64;

export interface AnswerOptions {
  books: Books;
  call: Call;
  script: Script;
  response: ServerResponse;
  model: string;
  streamed: boolean;
  choices: number;
  /** Of each choice. */
  tokens: number;
  includeUsage: boolean;
}

/**
 * Generates an answer by its script, and books each token in the moment in which it is made.
 *
 * ```
 *   first byte ──▶ chunk, chunk, … ──▶ usage ──▶ finished
 *        │              ├── the caller hangs up ──▶ left: what was made until then is billed
 *        │              ├── pause ──▶ left, or after a while on
 *        └──────────────┴── the script's break ──▶ broken: what was made until then is billed
 * ```
 */
export async function answer(options: AnswerOptions): Promise<void> {
  const { books, call, response } = options;
  const left = new AbortController();
  response.once("close", () => {
    books.close(call, "left");
    left.abort();
  });
  response.on("error", () => {});
  try {
    if (await generate(options, left.signal)) finish(options);
    else breakOff(options);
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
}

/** Whether it has come to its end; false where the script breaks it. Throws once the caller has hung up. */
async function generate(options: AnswerOptions, signal: AbortSignal): Promise<boolean> {
  const { call, script, response, streamed, choices, tokens } = options;
  const breaks = call.attempt < script.fails;
  if (script.firstMs > 0) await sleep(script.firstMs, undefined, { signal });
  if (breaks && script.how === "hang_up") return false;
  if (streamed) openStream(response);
  const end = breaks ? Math.min(script.breakAt, tokens) : tokens;
  let chunks = 0;
  for (let made = 0; made < end;) {
    if (script.pauseAt === made) await sleep(PAUSE_MS, undefined, { signal });
    const count = Math.min(
      script.chunk,
      end - made,
      script.pauseAt > made ? script.pauseAt - made : Infinity,
    );
    signal.throwIfAborted();
    made += count;
    call.completionTokens += count * choices;
    if (streamed) writeTokens(options, count);
    if (script.paceMs > 0) await sleep(script.paceMs, undefined, { signal });
    else if (++chunks % CHUNKS_AT_ONCE === 0) await breathe(undefined, { signal });
  }
  if (script.pauseAt === end) await sleep(PAUSE_MS, undefined, { signal });
  signal.throwIfAborted();
  return !breaks;
}

/** A chunk for each choice. */
function writeTokens(options: AnswerOptions, count: number): void {
  for (let index = 0; index < options.choices; index++) {
    writeEvent(options, [{ index, delta: { content: TOKEN.repeat(count) }, finish_reason: null }]);
  }
}

function openStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
}

/** What is written stays readable: the connection ends like one whose server was stopped, and is not reset. */
function breakOff({ books, call, response, streamed }: AnswerOptions): void {
  books.close(call, "broken");
  if (!streamed && call.completionTokens > 0) {
    // The whole was made and billed, and only a part of it arrives.
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000000" });
    response.write('{"id": "torture", "object": "chat.completion", "choi');
  }
  response.socket?.end();
}

function finish(options: AnswerOptions): void {
  const { books, call, script, response, streamed, includeUsage, model, choices, tokens } = options;
  call.overbilledTokens = script.overbill;
  const completion = call.completionTokens + script.overbill;
  const usage = {
    prompt_tokens: call.promptTokens,
    completion_tokens: completion,
    total_tokens: call.promptTokens + completion,
  };
  books.close(call, "finished");
  const reason = call.maxTokens !== null && tokens * choices >= call.maxTokens ? "length" : "stop";
  if (streamed) {
    for (let index = 0; index < choices; index++) {
      writeEvent(options, [{ index, delta: {}, finish_reason: reason }]);
    }
    if (includeUsage && script.usage === 1) writeEvent(options, [], usage);
    response.end("data: [DONE]\n\n");
    return;
  }
  const message = { role: "assistant", content: TOKEN.repeat(tokens) };
  const document = {
    ...envelope("chat.completion", model),
    choices: Array.from({ length: choices }, (_, index) => ({ index, message, finish_reason: reason })),
    ...(script.usage === 1 ? { usage } : {}),
  };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

function writeEvent({ response, model }: AnswerOptions, choices: object[], usage?: object): void {
  const event = { ...envelope("chat.completion.chunk", model), choices, ...(usage && { usage }) };
  response.write(`data: ${JSON.stringify(event)}\n\n`);
}

function envelope(object: string, model: string): object {
  return { id: "chatcmpl-torture", object, created: Math.floor(Date.now() / 1_000), model };
}
