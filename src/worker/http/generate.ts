import type { ServerResponse } from "node:http";
import type { z } from "zod";
import type { Choices } from "../choices.ts";
import { RequestError } from "../errors.ts";
import type { Continuation } from "../handover/continuation.ts";
import { stateUrl } from "../handover/state-url.ts";
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
      continued: continuation(worker, params.continue),
      parkAt: params.park_at ?? null,
      wantBlocks: params.want_blocks ?? false,
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
  sendJson(response, 200, { credit: runningGeneration(worker, id).grant(credit) });
}

/** `DELETE /worker/generate/{id}`: of one that runs, of the state of one that was parked, or of both. */
export function cancelGeneration(worker: Worker, response: ServerResponse, id: string): void {
  const freed = worker.parked.free(id);
  const choices = freed ? worker.sessions.find(id) : runningGeneration(worker, id);
  choices?.cancel();
  sendJson(response, 200, { cancelled: choices !== null, freed });
}

function continuation(
  worker: Worker,
  given: z.output<typeof generateSchema>["continue"],
): Continuation | null {
  if (!given) return null;
  const { tokens, state } = given;
  return { tokens, stateUrl: state ? stateUrl(state.url, worker.handover.hosts) : null };
}

/** Throws a {@link RequestError} where there is none. */
export function runningGeneration(worker: Worker, id: string): Choices {
  const choices = worker.sessions.find(id);
  if (choices === null) throw new RequestError("not_found", `No generation ${id} is running here.`, "id");
  return choices;
}
