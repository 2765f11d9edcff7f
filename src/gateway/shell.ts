import { randomUUID } from "node:crypto";
import { Endpoints } from "../backends/endpoints.ts";
import type { RemoteEndpoint } from "../backends/openai-dialect.ts";
import { UndiciUpstream } from "../backends/undici-upstream.ts";
import { WorkerAddresses } from "../backends/worker-addresses.ts";
import type { WorkerChanged } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Log } from "../observability/log.ts";
import { Metrics } from "../observability/metrics.ts";
import { createObserver } from "../observability/observer.ts";
import type { ClientsPort, EndpointsPort, ObserverPort, WorkersPort } from "../supervisor/ports.ts";
import { ChatCompletions } from "./chat-completions.ts";
import { Clients } from "./clients.ts";
import { Coordinator } from "./coordinator.ts";
import { Exchanges } from "./exchange.ts";
import { ModelNames } from "./model-names.ts";

export interface ShellOptions {
  /** How ports answer. */
  submit: (event: SupervisorEvent) => void;
  log: Log;
  /** Names of configured models. */
  models: string[];
  aliases: Record<string, string>;
  remotes: RemoteEndpoint[];
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
  chat: ChatCompletions;
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
  const { submit, log, models, aliases, remotes } = options;
  const supervisor = options.supervisor ?? randomUUID();
  const exchanges = new Exchanges();
  const addresses = new WorkerAddresses();
  const upstream = new UndiciUpstream();
  const remoteModels = remotes.flatMap((remote) => Object.keys(remote.models));
  const names = new ModelNames({ models, aliases, remoteModels });
  const metrics = new Metrics({ modelLabel: (model) => names.label(model) });
  const coordinator = new Coordinator({ addresses, names, supervisor, submit });
  const endpoints = new Endpoints({ upstream, exchanges, addresses, remotes, supervisor, submit });
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
          const origin = addresses.forget(effect.worker);
          if (origin !== undefined) upstream.release(origin);
        },
      },
    },
    chat: new ChatCompletions({ exchanges, names, metrics, submit }),
    coordinator,
    names,
    metrics,
    log,
    open: () => ({ exchanges: exchanges.size, attempts: endpoints.running }),
    close: () => upstream.close(),
  };
}
