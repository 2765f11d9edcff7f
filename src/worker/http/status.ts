import type { ServerResponse } from "node:http";
import { idleKvBytes } from "../idle-kv.ts";
import type { Worker } from "../worker.ts";
import { reportLimits, reportModels, reportProgress } from "../worker.ts";
import { sendJson } from "./respond.ts";

/** `GET /worker/health`: what the worker is and how full it is. */
export function health(worker: Worker, response: ServerResponse): void {
  const { identity, engine, sessions, limits } = worker;
  sendJson(response, 200, {
    status: sessions.draining ? "draining" : "ok",
    worker_id: identity.workerId,
    epoch: identity.epoch,
    models: reportModels(worker),
    progress: reportProgress(engine),
    active_sessions: sessions.active,
    kv_cache_bytes: sessions.kvBytes,
    idle_kv_cache_bytes: idleKvBytes(engine),
    limits: reportLimits(limits),
  });
}

/** `GET /metrics`: Prometheus text. */
export async function metrics(worker: Worker, response: ServerResponse): Promise<void> {
  const { registry } = worker.metrics;
  const text = await registry.metrics();
  response.writeHead(200, { "content-type": registry.contentType }).end(text);
}

/** `GET /v1/models`, as OpenAI lists them. */
export function listModels(worker: Worker, response: ServerResponse): void {
  sendJson(response, 200, {
    object: "list",
    data: worker.engine.models.map(({ description }) => ({
      id: description.name,
      object: "model",
      created: 0,
      owned_by: "headgate",
      max_model_len: description.contextTokens,
    })),
  });
}
