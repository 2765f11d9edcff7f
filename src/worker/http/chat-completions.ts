import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { z } from "zod";
import type { Reader } from "../generation.ts";
import type { GenerationRequest } from "../generation-request.ts";
import type { FinishReason, Usage } from "../wire.ts";
import { chatMessageSchema, parseBody, resolveSamplings, samplingShape } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { EventStream } from "./event-stream.ts";
import { sendJson, sendOpenAiError } from "./respond.ts";

/** Refused because ignoring them would change what the answer means; null and "off" values are fine. */
const unsupported = {
  n: z.literal(1).nullable().optional(),
  logprobs: z.literal(false).nullable().optional(),
  tools: z.array(z.never()).nullable().optional(),
  functions: z.array(z.never()).nullable().optional(),
  response_format: z
    .object({ type: z.literal("text") })
    .nullable()
    .optional(),
};

const requestSchema = z.object({
  ...samplingShape,
  ...unsupported,
  model: z.string(),
  messages: z.array(chatMessageSchema).min(1),
  max_tokens: z.int().min(1).nullable().optional(),
  max_completion_tokens: z.int().min(1).nullable().optional(),
  stop: z
    .union([z.string(), z.array(z.string()).max(4)])
    .nullable()
    .optional(),
  stream: z.boolean().nullable().optional(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullable().optional(),
  prompt_cache_key: z.string().nullable().optional(),
  /** As in vLLM. */
  ignore_eos: z.boolean().optional(),
});

type ChatRequest = z.output<typeof requestSchema>;

interface Answer {
  id: string;
  created: number;
  model: string;
}

/** `POST /v1/chat/completions` on the worker itself, without credit: for clients that are no supervisors. */
export async function chatCompletions(
  worker: Worker,
  response: ServerResponse,
  body: unknown,
): Promise<void> {
  const params = parseBody(requestSchema, body);
  const answer: Answer = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1_000),
    model: params.model,
  };
  if (params.stream === true) await streamAnswer({ worker, response, params, answer });
  else await sendAnswer({ worker, response, params, answer });
}

async function streamAnswer(options: {
  worker: Worker;
  response: ServerResponse;
  params: ChatRequest;
  answer: Answer;
}): Promise<void> {
  const { worker, response, params, answer } = options;
  const stream = new EventStream({ response, slowReaderMs: worker.timing.slowReaderMs });
  const withUsage = params.stream_options?.include_usage === true;
  const generation = worker.sessions.open(
    generationRequest(params, answer.id),
    chunkReader({ stream, answer, withUsage }),
  );
  stream.begin({ onReady: () => generation.readerReady(), onGone: () => generation.cancel() });
  await generation.run();
  stream.end();
}

/** Writes a generation's events as chunks of OpenAI's stream. */
function chunkReader(options: { stream: EventStream; answer: Answer; withUsage: boolean }): Reader {
  const { stream, answer, withUsage } = options;
  const send = (fields: object): "ready" | "full" => {
    const usage = withUsage ? { usage: null } : {};
    return stream.send(JSON.stringify({ ...answer, object: "chat.completion.chunk", ...usage, ...fields }));
  };
  const delta = (content: object, finishReason: string | null): "ready" | "full" =>
    send({ choices: [{ index: 0, delta: content, logprobs: null, finish_reason: finishReason }] });
  return {
    take(event) {
      switch (event.type) {
        case "started":
          return delta({ role: "assistant", content: "" }, null);
        case "tokens":
          return event.text === "" ? "ready" : delta({ content: event.text }, null);
        case "credit":
        case "finished":
        case "parked":
          return "ready";
        case "error":
          return stream.send(JSON.stringify({ error: streamError(event.message) }));
        case "done":
          if (!isComplete(event.finish_reason)) {
            return stream.send(JSON.stringify({ error: streamError(STOPPED) }));
          }
          delta({}, event.finish_reason);
          if (withUsage) send({ choices: [], usage: openAiUsage(event.usage) });
          return stream.send("[DONE]");
      }
    },
  };
}

async function sendAnswer(options: {
  worker: Worker;
  response: ServerResponse;
  params: ChatRequest;
  answer: Answer;
}): Promise<void> {
  const { worker, response, params, answer } = options;
  let content = "";
  const reader: Reader = {
    take(event) {
      if (event.type === "tokens") content += event.text;
      else if (event.type === "error") sendOpenAiError(response, new Error(event.message));
      else if (event.type === "done") finish(event.finish_reason, event.usage);
      return "ready";
    },
  };
  const generation = worker.sessions.open(generationRequest(params, answer.id), reader);
  response.on("close", () => generation.cancel());
  if (response.destroyed) generation.cancel();
  await generation.run();

  function finish(finishReason: FinishReason, usage: Usage): void {
    if (response.destroyed) return;
    if (!isComplete(finishReason)) return sendOpenAiError(response, new Error(STOPPED));
    const message = { role: "assistant", content, refusal: null };
    sendJson(response, 200, {
      ...answer,
      object: "chat.completion",
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
      usage: openAiUsage(usage),
    });
  }
}

function generationRequest(params: ChatRequest, id: string): GenerationRequest {
  const stop = params.stop ?? [];
  return {
    id,
    supervisor: "",
    model: params.model,
    prompt: { messages: params.messages },
    session: params.prompt_cache_key ?? null,
    maxTokens: params.max_completion_tokens ?? params.max_tokens ?? null,
    credit: null,
    creditTtlMs: null,
    samplings: resolveSamplings({ given: params, count: 1 }),
    stop: typeof stop === "string" ? [stop] : stop,
    ignoreEnd: params.ignore_eos ?? false,
    logprobs: null,
    grammar: null,
  };
}

const STOPPED = "The worker was stopped before the answer was complete.";

function isComplete(finishReason: FinishReason): boolean {
  return finishReason === "stop" || finishReason === "length";
}

function streamError(message: string): object {
  return { message, type: "server_error", code: "upstream_failed", param: null };
}

function openAiUsage(usage: Usage): object {
  return {
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens,
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_tokens },
  };
}
