import { createReadStream } from "node:fs";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { RequestError } from "../errors.ts";
import { notContinuable } from "../handover/continuation.ts";
import { FINGERPRINT_HEADER, TOKENS_HEADER } from "../handover/state-headers.ts";
import type { Worker } from "../worker.ts";
import { runningGeneration } from "./generate.ts";
import { sendJson } from "./respond.ts";

/** `POST /worker/generate/{id}/park`: it is parked behind its next token; its reader is told. */
export function parkGeneration(worker: Worker, response: ServerResponse, id: string): void {
  const choices = runningGeneration(worker, id);
  if (choices.count > 1) throw notContinuable("Only a single choice can be parked.", "id");
  choices.park();
  sendJson(response, 200, { parking: true });
}

/** `GET /worker/generate/{id}/state`: the file as the engine wrote it. */
export async function sendState(worker: Worker, response: ServerResponse, id: string): Promise<void> {
  const state = worker.parked.find(id);
  if (state === null)
    throw new RequestError("not_found", `No state of a generation ${id} is kept here.`, "id");
  const file = createReadStream(state.path);
  // Once it is open, it can be read to its end though it may be removed meanwhile.
  await once(file, "open");
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": state.bytes,
    [FINGERPRINT_HEADER]: state.fingerprint,
    [TOKENS_HEADER]: state.tokens,
  });
  try {
    await pipeline(file, response, { signal: AbortSignal.timeout(worker.handover.transferMs) });
  } catch (error) {
    worker.log.info({ id, reason: String(error) }, "state not sent to its end");
  }
}
