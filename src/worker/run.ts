import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assertLoopbackHost } from "../gateway/loopback.ts";
import type { Engine } from "./engine.ts";
import { Heartbeat } from "./heartbeat.ts";
import { createWorkerServer } from "./http/server.ts";
import { expireIdleKv } from "./idle-kv.ts";
import { loadLlamaEngine } from "./llama/engine.ts";
import type { WorkerOptions } from "./options.ts";
import { ENGINE_DEFAULT, PORT_DEFAULT } from "./options.ts";
import { Receipts } from "./receipts/receipts.ts";
import type { Worker } from "./worker.ts";
import { assembleWorker } from "./worker.ts";

const HOST_DEFAULT = "127.0.0.1";
/** How long a reader has to take the end of its answer when the worker stops. */
const LAST_BYTES_MS = 1_000;

export interface RunningWorker {
  readonly workerId: string;
  /** Where it listens and what it told its supervisors. */
  readonly url: string;
  /**
   * Refuses new generations, lets the running ones finish and the states of parked ones be
   * fetched and freed until the deadline, cancels and frees the rest, says good-bye to the supervisors and closes. Resolves when nothing is left running.
   */
  drain(options?: { deadlineMs?: number }): Promise<void>;
  /** Drains without waiting for running generations. */
  close(): Promise<void>;
}

/** Loads the models, listens on this machine only and reports to the supervisors. Installs nothing on the process. */
export async function runWorker(options: WorkerOptions): Promise<RunningWorker> {
  assertLoopbackHost(options.host ?? HOST_DEFAULT);
  const engine = await loadLlamaEngine({
    models: options.models,
    engine: options.engine ?? {},
    log: options.log,
    onProgress: options.onProgress ?? (() => {}),
  });
  try {
    return await startWorker(engine, options);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function startWorker(engine: Engine, options: WorkerOptions): Promise<RunningWorker> {
  const heartbeats: Heartbeat[] = [];
  const { log } = options;
  const receipts =
    options.receipts === undefined ? null : await Receipts.open({ path: options.receipts, log });
  const worker = assembleWorker({
    engine,
    receipts,
    options,
    onChange: () => heartbeats.forEach((heartbeat) => heartbeat.reportSoon()),
  });
  const server = createWorkerServer(worker);
  const url = await listen(server, options);
  const { workerId } = worker.identity;
  worker.log.info({ workerId, url }, "worker listens");
  for (const supervisorUrl of options.supervisors ?? []) {
    heartbeats.push(new Heartbeat({ worker, workerUrl: url, supervisorUrl }));
  }
  const stopExpiry = expireIdleKv({
    engine,
    ttlMs: options.engine?.idleKvTtlMs ?? ENGINE_DEFAULT.idleKvTtlMs,
  });
  for (const heartbeat of heartbeats) heartbeat.reportNow();

  let stopping: Promise<void> | null = null;
  const drain = (deadlineMs: number): Promise<void> => {
    if (stopping !== null && deadlineMs === 0) giveUp(worker);
    stopping ??= stop({ worker, server, heartbeats, deadlineMs }).finally(stopExpiry);
    return stopping;
  };
  return {
    workerId,
    url,
    drain: ({ deadlineMs } = {}) => drain(deadlineMs ?? worker.timing.drainMs),
    close: () => drain(0),
  };
}

/** Resolves to the address that others reach the worker at. */
async function listen(server: Server, options: WorkerOptions): Promise<string> {
  const host = options.host ?? HOST_DEFAULT;
  server.listen({ host, port: options.port ?? PORT_DEFAULT });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return options.workerUrl ?? `http://${authority}`;
}

async function stop(parts: {
  worker: Worker;
  server: Server;
  heartbeats: readonly Heartbeat[];
  deadlineMs: number;
}): Promise<void> {
  const { worker, server, heartbeats, deadlineMs } = parts;
  const { sessions, parked, receipts, engine, log } = worker;
  log.info({ sessions: sessions.active, deadlineMs }, "worker drains");
  sessions.refuseNew();
  for (const heartbeat of heartbeats) heartbeat.reportNow();
  const deadline = setTimeout(() => giveUp(worker), deadlineMs);
  await sessions.allEnded();
  // What was parked because this worker stops is fetched only now.
  await parked.allFreed();
  clearTimeout(deadline);
  // The last words of its answers go out before it says that it is gone.
  await closeServer(server);
  await Promise.all(heartbeats.map((heartbeat) => heartbeat.stop()));
  await parked.close();
  await receipts?.close();
  await engine.close();
  log.info("worker stopped");
}

/** Ends what is left, so that draining ends. */
function giveUp({ sessions, parked }: Worker): void {
  sessions.cancelAll();
  parked.freeAll();
}

/** Lets answers that are complete reach their readers, but not for ever. */
async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS);
  await closed;
  clearTimeout(force);
}
