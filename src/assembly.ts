import type { AdminDesk } from "./administration/desk.ts";
import { toCoreConfig } from "./config/core-config.ts";
import { readSecret } from "./config/environment.ts";
import { type Config, signalSources } from "./config/schema.ts";
import { NO_HEARTBEAT } from "./core/fleet/health.ts";
import type { Micros } from "./core/units.ts";
import { Access } from "./gateway/access.ts";
import { type RunningGateway, serveGateway } from "./gateway/serve.ts";
import { createShell, type Replica, type Shell, type ShellOptions } from "./gateway/shell.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { Log } from "./observability/log.ts";
import type { Parts } from "./parts.ts";
import { createRecorder } from "./recording/recorder.ts";
import { createLoop, type Loop, type Submit } from "./supervisor/loop.ts";
import type { ObserverPort, Ports } from "./supervisor/ports.ts";
import { createSystemTimer } from "./supervisor/system-timer.ts";

export interface AssemblyOptions {
  config: Config;
  variables: NodeJS.ProcessEnv;
  log: Log;
  /** File to write every event of this run into. */
  recordPath?: string;
}

export interface Surroundings {
  /** What is opened is entered here. */
  parts: Parts;
  ledger: Ledger;
  administration: AdminDesk;
  /** A worker of ours that fell silent hangs: it has to be ended. */
  onSilentWorker: (worker: string) => void;
  /** Others may take what this supervisor held for lost: its process has to end. */
  onLeaseLost?: () => void;
  /** The others, where several supervisors share a port. */
  replica?: Replica;
}

export interface Assembly {
  loop: Loop;
  shell: Shell;
  /** Resolves when nothing is running any more, after `drain_asked`. */
  drained: Promise<void>;
  /** When the last entry of the ledger was made, before anything was appended. */
  ledgerUs: Micros;
}

/** The loop with the ports of a live process behind it. It has begun with what the ledger says. */
export function assemble(surroundings: Surroundings, options: AssemblyOptions): Assembly {
  const { parts, ledger, administration, onSilentWorker, onLeaseLost = () => {}, replica } = surroundings;
  const { config, log, variables, recordPath } = options;
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
      ...(replica === undefined ? {} : { replica }),
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
      leaseLost: () => {
        teller.leaseLost();
        onLeaseLost();
      },
    };
    return { shell, ports: { ...shell.ports, observer, timer, ledger: ledger.connect(submit) } };
  };
  let world: ReturnType<typeof createWorld> | undefined;
  const loop = createLoop(coreConfig, (submit) => (world = createWorld(submit)).ports);
  const restored = ledger.restore();
  loop.submit({ kind: "ledger_restored", ...restored });
  return { loop, shell: world!.shell, drained: drained.promise, ledgerUs: restored.state.clockUs };
}

/** The HTTP server in front of it, at the configured address or another port. */
export async function serve(
  { loop, shell }: Assembly,
  { config, parts, ...address }: { config: Config; parts: Parts; port?: number; startedMs?: number },
): Promise<RunningGateway> {
  const { host, port, body_bytes_max: bodyBytesMax, connections_max: connectionsMax } = config.server;
  const limits = { bodyBytesMax, connectionsMax };
  const gateway = await serveGateway({ shell, inspect: loop.inspect, host, port, limits, ...address });
  parts.gateway = gateway;
  return gateway;
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
