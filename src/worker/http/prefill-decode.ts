import type { ServerResponse } from "node:http";
import { z } from "zod";
import { Refusal } from "../errors.ts";
import { parseBody } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { EventStream } from "./event-stream.ts";
import { sendJson } from "./respond.ts";

const sessionId = z.string().min(1).max(190);

const prefillSchema = z.object({
  session_id: sessionId,
  prompt: z.string().min(1),
  model: z.string(),
  max_tokens: z.int().min(1),
});

const decodeSchema = z.object({ session_id: sessionId, max_tokens: z.int().min(1) });

/** `POST /worker/prefill`: answers when the prompt is evaluated. */
export async function prefill(worker: Worker, response: ServerResponse, body: unknown): Promise<void> {
  const params = parseBody(prefillSchema, body);
  const session = worker.prefilled.open({
    sessionId: params.session_id,
    model: params.model,
    prompt: params.prompt,
    maxTokens: params.max_tokens,
  });
  response.on("close", () => {
    if (!response.writableFinished) session.cancel();
  });
  if (response.destroyed) session.cancel();
  if (!(await session.evaluated())) throw new Refusal("draining", "The worker was stopped meanwhile.");
  sendJson(response, 200, { status: "ok" });
}

/** `POST /worker/decode`: the answer, an event for each token; the end of the stream is its end. */
export async function decode(worker: Worker, response: ServerResponse, body: unknown): Promise<void> {
  const params = parseBody(decodeSchema, body);
  const session = worker.prefilled.take(params.session_id);
  const stream = new EventStream({ response, slowReaderMs: worker.timing.slowReaderMs });
  stream.begin({ onReady: () => session.readerReady(), onGone: () => session.cancel() });
  session.decode(params.max_tokens, {
    take: (event) => {
      if (event.type === "tokens") return stream.send(JSON.stringify({ token: event.text, seq: event.seq }));
      if (event.type === "error") return stream.send(JSON.stringify({ error: event.message }));
      return "ready";
    },
  });
  await session.ended;
  stream.end();
}
