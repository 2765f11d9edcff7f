import type { ServerResponse } from "node:http";
import { z } from "zod";
import { parseBody } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { sendJson } from "./respond.ts";

const IDS_MAX = 1_000;

const receiptsSchema = z.object({ ids: z.array(z.string()).max(IDS_MAX) });

/** `POST /worker/receipts`: those among the wanted that this worker has. */
export function findReceipts(worker: Worker, response: ServerResponse, body: unknown): void {
  const { ids } = parseBody(receiptsSchema, body);
  sendJson(response, 200, { receipts: worker.receipts?.find(ids) ?? [] });
}
