import { randomUUID } from "node:crypto";
import { Endpoints } from "../backends/endpoints.ts";
import type { RemoteEndpoint } from "../backends/openai-dialect.ts";
import { throwOutside, UndiciUpstream } from "../backends/undici-upstream.ts";
import { WorkerAddresses } from "../backends/worker-addresses.ts";
import type { WorkerChanged } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import { Exchanges } from "../exchange/exchange.ts";
import type { Log } from "../observability/log.ts";
import { Metrics } from "../observability/metrics.ts";
import { createObserver } from "../observability/observer.ts";
import type { ClientsPort, EndpointsPort, ObserverPort, WorkersPort } from "../supervisor/ports.ts";
import type { Access } from "./access.ts";
import { Clients } from "./clients.ts";
import { Completions } from "./completions.ts";
import { Coordinator } from "./coordinator.ts";
import { Infer } from "./infer.ts";
import { Intake } from "./intake.ts";
import { ModelNames } from "./model-names.ts";
import { StreamKeeper } from "./stream-keeper.ts";

export interface ShellOptions {
  /** How ports answer. */
  submit: (event: SupervisorEvent) => void;
  log: Log;
  access: Access;
  /** Why nothing can be charged at the moment, so that nothing new may start; null when all is well. */
  ledgerTrouble: () => string | null;
  /** Names of configured models. */
  models: string[];
  aliases: Record<string, string>;
  remotes: RemoteEndpoint[];
  /** The longest that a client may ask to wait for its budget. */
  budgetWaitMaxUs: Micros;
  /** How long a stream may be silent, in ms; as `StreamKeeper` has it if absent. */
  silenceMs?: number;
  /** This supervisor's id, as workers know it. A new one for each life if absent. */
  supervisor?: string;
}

/** Everything between the sockets and the loop: the ports that sockets play, and what the HTTP server calls. */
export interface Shell {
  ports: {
    endpoints: EndpointsPort;
    clients: ClientsPort;
    workers: WorkersPort;
    observer: ObserverPort;
  };
  access: Access;
  ledgerTrouble: () => string | null;
  completions: Completions;
  infer: Infer;
  coordinator: Coordinator;
  names: ModelNames;
  metrics: Metrics;
  log: Log;
  /** Requests under way and attempts under way: both 0 when all is quiet. */
  open(): { exchanges: number; attempts: number };
  /** Closes all connections to endpoints. */
  close(): Promise<void>;
}

export function createShell(options: ShellOptions): Shell {
  const { log, access, ledgerTrouble, models, aliases, remotes, budgetWaitMaxUs } = options;
  const submit = fatally(options.submit);
  const supervisor = options.supervisor ?? randomUUID();
  const exchanges = new Exchanges();
  const addresses = new WorkerAddresses();
  const upstream = new UndiciUpstream();
  const remoteModels = remotes.flatMap((remote) => Object.keys(remote.models));
  const names = new ModelNames({ models, aliases, remoteModels });
  const metrics = new Metrics({ modelLabel: (model) => names.label(model) });
  const coordinator = new Coordinator({ addresses, names, supervisor, submit });
  const endpoints = new Endpoints({ upstream, exchanges, addresses, remotes, supervisor, submit });
  const keeper = new StreamKeeper(options.silenceMs);
  const intake = new Intake({ exchanges, names, keeper, submit, budgetWaitMaxUs });
  const observer = createObserver({ log, metrics });

  return {
    ports: {
      endpoints,
      clients: new Clients(exchanges),
      workers: coordinator,
      observer: {
        ...observer,
        workerChanged(effect: WorkerChanged) {
          observer.workerChanged(effect);
          if (effect.status !== "evicted") return;
          const address = addresses.forget(effect.worker);
          if (address !== undefined) upstream.release(address.origin);
        },
      },
    },
    access,
    ledgerTrouble,
    completions: new Completions({ intake, metrics }),
    infer: new Infer({ intake, metrics }),
    coordinator,
    names,
    metrics,
    log,
    open: () => ({ exchanges: exchanges.size, attempts: endpoints.running }),
    close: () => upstream.close(),
  };
}

/**
 * A fault in the core is nobody's request's: what it had decided is half carried out. That ends the
 * process, whose next life takes up what the ledger says.
 */
function fatally(submit: ShellOptions["submit"]): ShellOptions["submit"] {
  return (event) => {
    try {
      submit(event);
    } catch (error) {
      throwOutside(error);
    }
  };
}
