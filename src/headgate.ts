import { AdminDesk } from "./administration/desk.ts";
import { assemble, type AssemblyOptions, serve } from "./assembly.ts";
import { stateFolder } from "./config/load.ts";
import type { Inspection } from "./core/inspection.ts";
import { MICROS_PER_MILLI, type Micros } from "./core/units.ts";
import { createEmbeddedWorkers } from "./embedded-workers.ts";
import { assertGuarded } from "./gateway/access.ts";
import { describeClockAhead } from "./ledger/clock.ts";
import { ledgerPath } from "./ledger/database.ts";
import { openLedger } from "./ledger/ledger.ts";
import { closeParts, type Parts } from "./parts.ts";
import type { WorkerProcessEvents } from "./supervisor/worker-processes.ts";
import { readHooks } from "./webhooks/hooks.ts";
import { Webhooks } from "./webhooks/webhooks.ts";

/** After the drain: time for answers to reach their clients, and for workers to end. */
export const GRACE_MS = 2_000;

export interface HeadgateOptions extends AssemblyOptions {
  /** Where the configuration was read from; embedded workers read it too, and `state` is relative to it. */
  configPath: string;
  /** Told, in words for people, what somebody should look into. */
  onWarning?: (words: string) => void;
  /** Told how the embedded workers are getting on. */
  workerEvents?: Partial<WorkerProcessEvents>;
}

export interface RunningHeadgate {
  url: string;
  inspect(): Inspection;
  /** Refuses new requests, lets the running ones finish, stops the workers; resolves when all is gone. */
  stop(): Promise<void>;
}

/** Puts a supervisor together: ledger, loop, ports, HTTP server and embedded workers. */
export function startHeadgate(options: HeadgateOptions): Promise<RunningHeadgate> {
  return closingOnFailure(options, (parts) => startWith(parts, options));
}

/** What had been opened is closed when the start fails. */
export async function closingOnFailure<Running>(
  { log }: Pick<HeadgateOptions, "log">,
  start: (parts: Parts) => Promise<Running>,
): Promise<Running> {
  const parts: Parts = {};
  try {
    return await start(parts);
  } catch (error) {
    await closeParts(parts, GRACE_MS).catch((failure: unknown) => {
      log.error({ error: (failure as Error).message }, "what had been started could not be closed");
    });
    throw error;
  }
}

async function startWith(parts: Parts, options: HeadgateOptions): Promise<RunningHeadgate> {
  const { config, configPath, variables, log, workerEvents } = options;
  const { host, keyless } = config.server;
  const hooks = readHooks(config.webhooks, { configPath, variables });
  const folder = stateFolder(config, configPath);
  const ledger = (parts.ledger = openLedger({ stateFolder: folder, log }));
  const administration = (parts.administration = new AdminDesk({ path: ledgerPath(folder), log }));
  assertGuarded({ keys: ledger.keys, keyless, host });
  const workers = createEmbeddedWorkers(
    { config, configPath, stateFolder: folder },
    // Out at once, without waiting for its heartbeats to stay away.
    (worker, reason) => loop.submit({ kind: "worker_left", worker, epoch: null, reason }),
    workerEvents,
  );
  const surroundings = { parts, ledger, administration, onSilentWorker: workers.restart };
  const assembly = assemble(surroundings, options);
  const { loop, ledgerUs } = assembly;
  warnOfClock(ledgerUs, options);
  const { url } = await serve(assembly, { config, parts });
  log.info({ url }, "supervisor listens");
  parts.webhooks = new Webhooks({ path: ledgerPath(folder), hooks, log });
  parts.workers = workers;
  workers.start(url);

  const stop = async (): Promise<void> => {
    loop.submit({ kind: "drain_asked" });
    await assembly.drained;
    await closeParts(parts, GRACE_MS);
  };
  let stopping: Promise<void> | undefined;
  return { url, inspect: loop.inspect, stop: () => (stopping ??= stop()) };
}

/** Tells of a ledger whose last entry lies in the future. */
export function warnOfClock(ledgerUs: Micros, { log, onWarning }: HeadgateOptions): void {
  const nowUs = Date.now() * MICROS_PER_MILLI;
  const warning = describeClockAhead(ledgerUs, nowUs);
  if (warning === null) return;
  log.warn({ aheadMs: Math.round((ledgerUs - nowUs) / MICROS_PER_MILLI) }, "the ledger's clock is ahead");
  onWarning?.(warning);
}
