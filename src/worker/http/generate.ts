import type { ServerResponse } from "node:http";
import type { Choices } from "../choices.ts";
import { RequestError } from "../errors.ts";
import { creditSchema, generateSchema, parseBody, resolveSamplings } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { EventStream } from "./event-stream.ts";
import { sendJson } from "./respond.ts";

/** `POST /worker/generate`: generations under credit, its events as they come. */
export async function generate(worker: Worker, response: ServerResponse, body: unknown): Promise<void> {
  const params = parseBody(generateSchema, body);
  const stream = new EventStream({ response, slowReaderMs: worker.timing.slowReaderMs });
  const choices = worker.sessions.open(
    {
      id: params.id,
      supervisor: params.supervisor,
      model: params.model,
      prompt: params.prompt,
      session: params.session ?? null,
      maxTokens: params.max_tokens,
      credit: params.credit,
      creditTtlMs: null,
      samplings: resolveSamplings({
        given: params.sampling ?? {},
        count: params.n ?? 1,
        ...(params.logit_bias ? { logitBias: params.logit_bias } : {}),
      }),
      stop: params.stop ?? [],
      ignoreEnd: params.ignore_eos ?? false,
      logprobs: params.logprobs ?? null,
      grammar: params.grammar ?? null,
    },
    { take: (event) => stream.send(JSON.stringify(event)) },
  );
  stream.begin({ onReady: () => choices.readerReady(), onGone: () => choices.cancel() });
  await choices.run();
  stream.end();
}

/** `POST /worker/generate/{id}/credit`: raises the credit to an absolute total; repeating it is harmless. */
export function grantCredit(worker: Worker, response: ServerResponse, id: string, body: unknown): void {
  const { credit } = parseBody(creditSchema, body);
  sendJson(response, 200, { credit: running(worker, id).grant(credit) });
}

/** `DELETE /worker/generate/{id}`. */
export function cancelGeneration(worker: Worker, response: ServerResponse, id: string): void {
  running(worker, id).cancel();
  sendJson(response, 200, { cancelled: true });
}

function running(worker: Worker, id: string): Choices {
  const choices = worker.sessions.find(id);
  if (choices === null) throw new RequestError("not_found", `No generation ${id} is running here.`, "id");
  return choices;
}
