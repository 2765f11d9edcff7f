import { randomUUID } from "node:crypto";
import { CacheNames } from "../backends/cache-names.ts";
import { Endpoints } from "../backends/endpoints.ts";
import type { RemoteEndpoint } from "../backends/openai-dialect.ts";
import { throwOutside, UndiciUpstream } from "../backends/undici-upstream.ts";
import { WorkerAddresses } from "../backends/worker-addresses.ts";
import type { AdminDesk } from "../administration/desk.ts";
import type { WorkerChanged } from "../core/effects.ts";
import type { SignalSources } from "../config/scheduling-check.ts";
import type { SchedulingSettings } from "../config/scheduling-schema.ts";
import type { CoreConfig } from "../core/config.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Inspection } from "../core/inspection.ts";
import { Exchanges } from "../exchange/exchange.ts";
import { Canary } from "../observability/canary.ts";
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
import type { News, TellOthers } from "./news.ts";
import { PolicyDesk } from "./policy-desk.ts";
import { SliceQuestions } from "./slice-questions.ts";
import { StreamKeeper } from "./stream-keeper.ts";

export interface ShellOptions {
  /** How ports answer. */
  submit: (event: SupervisorEvent) => void;
  log: Log;
  access: Access;
  administration: Pick<AdminDesk, "ask">;
  /** Why nothing can be charged at the moment, so that nothing new may start; null when all is well. */
  ledgerTrouble: () => string | null;
  /** Names of configured models. */
  models: string[];
  aliases: Record<string, string>;
  remotes: RemoteEndpoint[];
  /** The policies that the supervisor starts with, and what there is for them to go by. */
  scheduling: SchedulingSettings;
  sources: SignalSources;
  timeouts: CoreConfig["timeouts"];
  /** How long a stream may be silent, in ms; as `StreamKeeper` has it if absent. */
  silenceMs?: number;
  /** This supervisor's id, as workers know it. A new one for each life if absent. */
  supervisor?: string;
  /** The others, where several supervisors share a port. */
  replica?: Replica;
}

/** One of several supervisors on a port. */
export interface Replica {
  /** Which of them, and how many there are. */
  name: string;
  of: number;
  /** Whom workers report to, all of the supervisors together. */
  reportedTo: string;
  tellOthers: TellOthers;
  /** The metrics of all of them, as text. */
  scrapeAll: () => Promise<string>;
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
  administration: Pick<AdminDesk, "ask">;
  ledgerTrouble: () => string | null;
  completions: Completions;
  slices: SliceQuestions;
  infer: Infer;
  coordinator: Coordinator;
  names: ModelNames;
  policies: PolicyDesk;
  canary: Canary;
  metrics: Metrics;
  /** Metrics as text: of this supervisor, or of all that share its port. */
  scrape: (inspection: Inspection) => Promise<string>;
  /** Which of several supervisors this is; null for the only one. */
  replica: { name: string; of: number } | null;
  /** Takes in what another supervisor on this port was told. */
  hear: (news: News) => void;
  log: Log;
  /** Requests under way and attempts under way: both 0 when all is quiet. */
  open(): { exchanges: number; attempts: number };
  /** Closes all connections to endpoints. */
  close(): Promise<void>;
}

export function createShell(options: ShellOptions): Shell {
  const { log, access, administration, ledgerTrouble, models, aliases, remotes, timeouts } = options;
  const submit = fatally(options.submit);
  const supervisor = options.supervisor ?? randomUUID();
  const exchanges = new Exchanges();
  const addresses = new WorkerAddresses();
  const cacheNames = new CacheNames();
  const upstream = new UndiciUpstream();
  const remoteModels = remotes.flatMap((remote) => Object.keys(remote.models));
  const names = new ModelNames({ models, aliases, remoteModels });
  const metrics = new Metrics({ modelLabel: (model) => names.label(model) });
  const { replica } = options;
  const tellOthers = replica?.tellOthers ?? (() => {});
  const reportedTo = replica?.reportedTo ?? supervisor;
  const coordinator = new Coordinator({
    addresses,
    names,
    supervisor,
    reportedTo,
    cacheNames,
    submit,
    tellOthers,
  });
  const endpoints = new Endpoints({
    upstream,
    exchanges,
    addresses,
    cacheNames,
    remotes,
    supervisor,
    submit,
  });
  const keeper = new StreamKeeper(options.silenceMs);
  const { scheduling: settings, sources } = options;
  const canary = new Canary();
  const onPlacementChanged = (): void => canary.reset();
  const onChanged = (inForce: SchedulingSettings): void =>
    tellOthers({ kind: "policies", settings: inForce });
  const policies = new PolicyDesk({ settings, sources, timeouts, submit, onPlacementChanged, onChanged });
  const budgetWaitMaxUs = timeouts.totalUs;
  const intake = new Intake({ exchanges, names, keeper, policies, submit, budgetWaitMaxUs });
  const slices = new SliceQuestions(submit);
  const observer = createObserver({ log, metrics, canary });

  return {
    ports: {
      endpoints,
      clients: new Clients(exchanges, slices),
      workers: coordinator,
      observer: {
        ...observer,
        workerChanged(effect: WorkerChanged) {
          observer.workerChanged(effect);
          if (effect.status !== "evicted") return;
          coordinator.forget(effect.worker);
          const address = addresses.forget(effect.worker);
          if (address !== undefined) upstream.release(address.origin);
        },
      },
    },
    access,
    administration,
    ledgerTrouble,
    completions: new Completions({ intake, metrics }),
    slices,
    infer: new Infer({ intake, metrics }),
    coordinator,
    names,
    policies,
    canary,
    metrics,
    scrape: replica?.scrapeAll ?? ((inspection) => metrics.scrape(inspection)),
    replica: replica === undefined ? null : { name: replica.name, of: replica.of },
    hear(news) {
      switch (news.kind) {
        case "heartbeat":
          return coordinator.overhear(news.report);
        case "worker_left":
          return submit(news);
        case "cache_wanted":
          return coordinator.wantCache(news.worker);
        case "policies":
          return policies.adopt(news.settings);
      }
    },
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
