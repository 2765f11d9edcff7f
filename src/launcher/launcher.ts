import { randomUUID } from "node:crypto";
import { stateFolder } from "../config/load.ts";
import { toSliceLimits } from "../config/core-config.ts";
import { toScheduling } from "../config/scheduling.ts";
import { MILLIS_PER_SECOND } from "../core/units.ts";
import { createEmbeddedWorkers } from "../embedded-workers.ts";
import { assertGuarded } from "../gateway/access.ts";
import { closingOnFailure, GRACE_MS, type HeadgateOptions, warnOfClock } from "../headgate.ts";
import { ledgerPath } from "../ledger/database.ts";
import { openSharedLedger } from "../ledger/shared/shared-ledger.ts";
import { closeParts, type Parts } from "../parts.ts";
import { readHooks } from "../webhooks/hooks.ts";
import { Webhooks } from "../webhooks/webhooks.ts";
import { NewsRoom } from "./news-room.ts";
import { Replicas } from "./replicas.ts";

/** After its requests have ended: time for a replica to close what it has open, its part of the ledger last. */
const REPLICA_CLOSE_MS_MAX = 20 * MILLIS_PER_SECOND;

export interface LauncherOptions extends Omit<HeadgateOptions, "recordPath"> {
  /** How many supervisors share the port and the ledger. */
  supervisors: number;
}

export interface RunningLauncher {
  url: string;
  /** As that of one supervisor: all of them drain. */
  stop(): Promise<void>;
}

/**
 * Several supervisors on one port and one ledger, each in a process of its own. This process keeps what there is one of:
 * the ledger's file, the port, the embedded workers, the webhooks.
 *
 * ```
 *   clients ──▶ port ──in turn──▶ replica 1 ─┐                  ┌─▶ ledger
 *   workers ──▶  │                replica 2 ─┼─▶ launcher ──────┼─▶ news for all replicas
 *                └──────────────▶ replica 3 ─┘                  └─▶ processes
 * ```
 */
export function startLauncher(options: LauncherOptions): Promise<RunningLauncher> {
  return closingOnFailure(options, (parts) => startWith(parts, options));
}

async function startWith(parts: Parts, options: LauncherOptions): Promise<RunningLauncher> {
  const { config, configPath, variables, log, workerEvents, onWarning, supervisors } = options;
  const { host, keyless } = config.server;
  const { drain, ...times } = { ...config.timeouts, ...config.heartbeats };
  const hooks = readHooks(config.webhooks, { configPath, variables });
  const folder = stateFolder(config, configPath);
  const onSilent = (name: string): void => replicas.kill(name);
  const rates = toScheduling(config).admission;
  const ledger = (parts.ledger = openSharedLedger({
    stateFolder: folder,
    log,
    rates,
    slices: toSliceLimits(config),
    onSilent,
  }));
  assertGuarded({ keys: ledger.keys, keyless, host });
  warnOfClock(ledger.restore().state.clockUs, options);

  const newsRoom = new NewsRoom({
    workersMax: config.limits.workers_max,
    tellAll: (news, except) => {
      if (news.kind === "policies") ledger.setRates(toScheduling(news.settings).admission);
      replicas.tellAll(news, except);
    },
    nowMs: () => performance.now(),
  });
  const workers = createEmbeddedWorkers(
    { config, configPath, stateFolder: folder },
    (worker, reason) => newsRoom.take(null, { kind: "worker_left", worker, epoch: null, reason }),
    workerEvents,
  );
  const replicas = new Replicas({
    of: supervisors,
    start: { config, stateFolder: folder, reportedTo: randomUUID(), startedMs: Date.now() },
    ledger,
    newsRoom,
    log,
    onWarning: (words) => onWarning?.(words),
    // Where others still hear from it, it is the replica that was deaf for a while.
    onSilentWorker: (worker) => {
      if (!newsRoom.hasHeardWithin(worker, times.stale * MILLIS_PER_SECOND)) workers.restart(worker);
    },
  });
  parts.replicas = replicas;
  // However this process ends, no replica is left behind; one that hangs would not notice by itself.
  process.once("exit", () => replicas.killAll());
  const url = await replicas.start();
  log.info({ url, supervisors }, "supervisors listen");
  parts.webhooks = new Webhooks({ path: ledgerPath(folder), hooks, log });
  parts.workers = workers;
  workers.start(url);

  const stop = async (): Promise<void> => {
    try {
      await replicas.stop(drain * MILLIS_PER_SECOND + REPLICA_CLOSE_MS_MAX);
    } finally {
      await closeParts(parts, GRACE_MS);
    }
  };
  let stopping: Promise<void> | undefined;
  return { url, stop: () => (stopping ??= stop()) };
}
