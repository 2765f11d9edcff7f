import type { ServerResponse } from "node:http";
import { RequestError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { creditSchema, generateSchema, parseBody, resolveSampling } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { EventStream } from "./event-stream.ts";
import { sendJson } from "./respond.ts";

/** `POST /worker/generate`: a generation under credit, its events as they come. */
export async function generate(worker: Worker, response: ServerResponse, body: unknown): Promise<void> {
  const params = parseBody(generateSchema, body);
  const stream = new EventStream({ response, slowReaderMs: worker.timing.slowReaderMs });
  const generation = worker.sessions.open(
    {
      id: params.id,
      supervisor: params.supervisor,
      model: params.model,
      prompt: params.prompt,
      session: params.session ?? null,
      maxTokens: params.max_tokens,
      credit: params.credit,
      sampling: resolveSampling(params.sampling ?? {}),
      stop: params.stop ?? [],
      ignoreEnd: params.ignore_eos ?? false,
    },
    { take: (event) => stream.send(JSON.stringify(event)) },
  );
  stream.begin({ onReady: () => generation.readerReady(), onGone: () => generation.cancel() });
  await generation.run();
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

function running(worker: Worker, id: string): Generation {
  const generation = worker.sessions.find(id);
  if (generation === null) throw new RequestError("not_found", `No generation ${id} is running here.`, "id");
  return generation;
}
