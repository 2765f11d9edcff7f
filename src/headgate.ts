import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AdminDesk } from "./administration/desk.ts";
import { readSecret } from "./config/environment.ts";
import { toCoreConfig } from "./config/core-config.ts";
import { stateFolder } from "./config/load.ts";
import { type Config, signalSources } from "./config/schema.ts";
import { NO_HEARTBEAT } from "./core/fleet/health.ts";
import { MICROS_PER_MILLI, type Micros } from "./core/units.ts";
import type { Inspection } from "./core/inspection.ts";
import { Access, assertGuarded } from "./gateway/access.ts";
import { serveGateway } from "./gateway/serve.ts";
import { createShell, type Shell, type ShellOptions } from "./gateway/shell.ts";
import { describeClockAhead } from "./ledger/clock.ts";
import { ledgerPath } from "./ledger/database.ts";
import { type Ledger, openLedger } from "./ledger/ledger.ts";
import type { Log } from "./observability/log.ts";
import { closeParts, type Parts } from "./parts.ts";
import { createRecorder } from "./recording/recorder.ts";
import { createLoop, type Loop, type Submit } from "./supervisor/loop.ts";
import type { ObserverPort, Ports } from "./supervisor/ports.ts";
import { createSystemTimer } from "./supervisor/system-timer.ts";
import { createWorkerProcesses, type WorkerProcessEvents } from "./supervisor/worker-processes.ts";
import { readHooks } from "./webhooks/hooks.ts";
import { Webhooks } from "./webhooks/webhooks.ts";

const CLI = fileURLToPath(new URL("cli/main.ts", import.meta.url));
/** After the drain: time for answers to reach their clients, and for workers to end. */
const GRACE_MS = 2_000;

export interface HeadgateOptions {
  config: Config;
  /** Where the configuration was read from; embedded workers read it too, and `state` is relative to it. */
  configPath: string;
  variables: NodeJS.ProcessEnv;
  log: Log;
  /** File to write every event of this run into. */
  recordPath?: string;
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
export async function startHeadgate(options: HeadgateOptions): Promise<RunningHeadgate> {
  const parts: Parts = {};
  try {
    return await startWith(parts, options);
  } catch (error) {
    await closeParts(parts, GRACE_MS).catch((failure: unknown) => {
      options.log.error({ error: (failure as Error).message }, "what had been started could not be closed");
    });
    throw error;
  }
}

async function startWith(parts: Parts, options: HeadgateOptions): Promise<RunningHeadgate> {
  const { config, configPath, variables, log, workerEvents } = options;
  const { host, port, keyless } = config.server;
  const hooks = readHooks(config.webhooks, { configPath, variables });
  const folder = stateFolder(config, configPath);
  const ledger = (parts.ledger = openLedger({ stateFolder: folder, log }));
  const administration = (parts.administration = new AdminDesk({ path: ledgerPath(folder), log }));
  assertGuarded({ keys: ledger.keys, keyless, host });
  const workers = createWorkerProcesses(CLI, {
    started: (id, pid) => workerEvents?.started?.(id, pid),
    progress: (id, progress) => workerEvents?.progress?.(id, progress),
    ready: (id, url) => workerEvents?.ready?.(id, url),
    exited: (id, reason, restartMs) => {
      // Out at once, without waiting for its heartbeats to stay away.
      loop.submit({ kind: "worker_left", worker: id, epoch: null, reason });
      workerEvents?.exited?.(id, reason, restartMs);
    },
  });
  const surroundings = { parts, ledger, administration, onSilentWorker: workers.restart };
  const { loop, shell, drained } = assemble(surroundings, options);
  const restored = ledger.restore();
  warnOfClock(restored.state.clockUs, options);
  loop.submit({ kind: "ledger_restored", ...restored });
  const gateway = await serveGateway({
    shell,
    inspect: loop.inspect,
    host,
    port,
    limits: {
      bodyBytesMax: config.server.body_bytes_max,
      connectionsMax: config.server.connections_max,
    },
  });
  parts.gateway = gateway;
  log.info({ url: gateway.url }, "supervisor listens");
  parts.webhooks = new Webhooks({ path: ledgerPath(folder), hooks, log });
  const receipts = join(folder, "receipts");
  parts.workers = workers;
  workers.start(
    config.workers.map(({ id }) => ({
      id,
      arguments: Object.entries({
        "--config": configPath,
        "--id": id,
        "--supervisor": gateway.url,
        "--receipts": join(receipts, `${encodeURIComponent(id)}.jsonl`),
      }).flat(),
    })),
  );

  const stop = async (): Promise<void> => {
    loop.submit({ kind: "drain_asked" });
    await drained;
    await closeParts(parts, GRACE_MS);
  };
  let stopping: Promise<void> | undefined;
  return { url: gateway.url, inspect: loop.inspect, stop: () => (stopping ??= stop()) };
}

function warnOfClock(ledgerUs: Micros, { log, onWarning }: HeadgateOptions): void {
  const nowUs = Date.now() * MICROS_PER_MILLI;
  const warning = describeClockAhead(ledgerUs, nowUs);
  if (warning === null) return;
  log.warn({ aheadMs: Math.round((ledgerUs - nowUs) / MICROS_PER_MILLI) }, "the ledger's clock is ahead");
  onWarning?.(warning);
}

interface Surroundings {
  /** What is opened is entered here. */
  parts: Parts;
  ledger: Ledger;
  administration: AdminDesk;
  /** A worker of ours that fell silent hangs: it has to be ended. */
  onSilentWorker: (worker: string) => void;
}

interface Assembly {
  loop: Loop;
  shell: Shell;
  /** Resolves when nothing is running any more, after `drain_asked`. */
  drained: Promise<void>;
}

/** The loop with the ports of a live process behind it. */
function assemble(
  { parts, ledger, administration, onSilentWorker }: Surroundings,
  { config, log, variables, recordPath }: HeadgateOptions,
): Assembly {
  const coreConfig = toCoreConfig(config);
  const recorder = recordPath === undefined ? null : createRecorder(recordPath, coreConfig);
  if (recorder !== null) parts.recorder = recorder;
  const drained = Promise.withResolvers<void>();
  const createWorld = (submit: Submit): { shell: Shell; ports: Ports } => {
    const remotes = config.remotes.map((remote) => remoteEndpoint(remote, variables));
    const { models, aliases, placement, queue, admission, tail } = config;
    const { keyless, host } = config.server;
    const shell = createShell({
      submit,
      log,
      access: new Access({ keys: ledger.keys, keyless, host }),
      administration,
      ledgerTrouble: ledger.trouble,
      models: Object.keys(models),
      aliases,
      remotes,
      scheduling: { placement, queue, admission, tail },
      sources: signalSources(config),
      timeouts: coreConfig.timeouts,
    });
    const timer = createSystemTimer(submit);
    Object.assign(parts, { shell, timer } satisfies Parts);
    const { observer: teller } = shell.ports;
    const observer: ObserverPort = {
      ...teller,
      event: (nowUs, event) => {
        teller.event(nowUs, event);
        recorder?.event(nowUs, event);
      },
      effects: (effects) => {
        teller.effects(effects);
        recorder?.effects(effects);
      },
      drained: drained.resolve,
      workerChanged: (effect) => {
        teller.workerChanged(effect);
        if (effect.status === "evicted" && effect.reason === NO_HEARTBEAT) onSilentWorker(effect.worker);
      },
    };
    return { shell, ports: { ...shell.ports, observer, timer, ledger: ledger.connect(submit) } };
  };
  let world: ReturnType<typeof createWorld> | undefined;
  const loop = createLoop(coreConfig, (submit) => (world = createWorld(submit)).ports);
  return { loop, shell: world!.shell, drained: drained.promise };
}

function remoteEndpoint(
  remote: Config["remotes"][number],
  variables: NodeJS.ProcessEnv,
): ShellOptions["remotes"][number] {
  const { name, url, models, api_key_env, max_tokens_name } = remote;
  const apiKey = api_key_env === undefined ? null : readSecret(variables, api_key_env);
  // Some of OpenAI's own models refuse the old name; most other servers know only that.
  const isOpenAi = new URL(url).origin === "https://api.openai.com";
  const maxTokensName = max_tokens_name ?? (isOpenAi ? "max_completion_tokens" : "max_tokens");
  return { name, url, models, apiKey, maxTokensName };
}
