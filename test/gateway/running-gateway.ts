import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import OpenAI from "openai";
import { pino } from "pino";
import type { RemoteEndpoint } from "../../src/backends/openai-dialect.ts";
import { noCapacity } from "../../src/core/admission/admission.ts";
import { EMPTY_LEDGER } from "../../src/core/budget/accounts.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { readScheduling, type SignalSources } from "../../src/config/scheduling-check.ts";
import type { SchedulingSettings } from "../../src/config/scheduling-schema.ts";
import { toScheduling } from "../../src/config/scheduling.ts";
import type { CoreConfig } from "../../src/core/config.ts";
import type { PolicySet, RequestArrived } from "../../src/core/events.ts";
import type { SettledRecord } from "../../src/core/settling/record.ts";
import { seconds } from "../../src/core/units.ts";
import { Access } from "../../src/gateway/access.ts";
import type { AccessOptions } from "../../src/gateway/access.ts";
import { serveGateway } from "../../src/gateway/serve.ts";
import type { RunningGateway, ServerLimits } from "../../src/gateway/serve.ts";
import { createShell } from "../../src/gateway/shell.ts";
import type { Shell } from "../../src/gateway/shell.ts";
import { createVolatileLedger } from "../fakes/volatile-ledger.ts";
import { createLoop } from "../../src/supervisor/loop.ts";
import { createSystemTimer } from "../../src/supervisor/system-timer.ts";
import type { SystemTimer } from "../../src/supervisor/system-timer.ts";

const TIMEOUTS: CoreConfig["timeouts"] = {
  queueUs: seconds(30),
  prefillUs: seconds(30),
  stallUs: seconds(30),
  totalUs: seconds(60),
  slowClientUs: seconds(30),
  drainUs: seconds(30),
};

export interface TestGatewayOptions {
  remotes?: RemoteEndpoint[];
  limits?: Partial<ServerLimits>;
  timeouts?: Partial<CoreConfig["timeouts"]>;
  /** Merged over the core's configuration. */
  core?: Partial<CoreConfig>;
  /** Sections of the configuration, as they stand in the file; without fairness, backoff and breaker if absent. */
  scheduling?: Record<string, unknown>;
  /** Embedded workers and labels, if not absent. */
  sources?: SignalSources;
  /** In effect from the beginning. */
  budgets?: LimitRow[];
  /** Nobody has a key if absent. */
  keys?: AccessOptions["keys"];
  /** `loopback` if absent. */
  keyless?: AccessOptions["keyless"];
  /** Who answers administrators; there is no ledger to ask about if absent. */
  administration?: Shell["administration"];
  /** How long a stream may be silent, in ms. */
  silenceMs?: number;
}

const SCHEDULING = {
  placement: { policy: "least-request" },
  queue: { fairness: "fcfs-flows" },
  tail: { backoff: { base: 0, max: 0 }, breaker: "off", migration: false },
};

const NO_KEYS: AccessOptions["keys"] = { find: () => null, isEmpty: true };

const NO_LEDGER: Shell["administration"] = {
  ask: () => Promise.resolve({ error: noCapacity("ledger_unavailable") }),
};

/** The real loop, core and server around fake endpoints. */
export class TestGateway {
  readonly url: string;
  readonly client: OpenAI;
  /** Requests that are over, in order. */
  readonly settled: SettledRecord[] = [];
  /** Every request that reached the core, in order. */
  readonly arrived: RequestArrived[];
  /** Every change of policies that did. */
  readonly policiesSet: PolicySet[];
  readonly shell: Shell;
  readonly #gateway: RunningGateway;
  readonly #timer: SystemTimer;

  private constructor(options: {
    gateway: RunningGateway;
    shell: Shell;
    settled: SettledRecord[];
    arrived: RequestArrived[];
    policiesSet: PolicySet[];
    timer: SystemTimer;
  }) {
    this.#gateway = options.gateway;
    this.shell = options.shell;
    this.settled = options.settled;
    this.arrived = options.arrived;
    this.policiesSet = options.policiesSet;
    this.#timer = options.timer;
    this.url = options.gateway.url;
    this.client = new OpenAI({ baseURL: `${this.url}/v1`, apiKey: "any", maxRetries: 0 });
  }

  static async start(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const remotes = options.remotes ?? [];
    const settled: SettledRecord[] = [];
    const arrived: RequestArrived[] = [];
    const policiesSet: PolicySet[] = [];
    const sources = options.sources ?? { workers: false, labels: false };
    const scheduling = readSettings(options.scheduling ?? SCHEDULING, sources);
    let shell: Shell | undefined;
    let timer: SystemTimer | undefined;
    const config: CoreConfig = {
      ...coreConfig(remotes, options.timeouts ?? {}),
      scheduling: toScheduling(scheduling),
      ...options.core,
    };
    const loop = createLoop(config, (submit) => {
      shell = createShell({
        submit,
        log: pino({ level: "silent" }),
        models: Object.keys(config.models),
        aliases: config.aliases,
        remotes,
        supervisor: "test-supervisor",
        access: new Access({
          keys: options.keys ?? NO_KEYS,
          keyless: options.keyless ?? "loopback",
          host: "127.0.0.1",
        }),
        administration: options.administration ?? NO_LEDGER,
        ledgerTrouble: () => null,
        scheduling,
        sources,
        timeouts: config.timeouts,
        ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
      });
      timer = createSystemTimer(submit);
      const { observer } = shell.ports;
      return {
        ...shell.ports,
        timer,
        ledger: createVolatileLedger(submit),
        observer: {
          ...observer,
          event: (nowUs, event) => {
            observer.event(nowUs, event);
            if (event.kind === "request_arrived") arrived.push(event);
            if (event.kind === "policy_set") policiesSet.push(event);
          },
          settled: (effect) => {
            observer.settled(effect);
            settled.push(effect.record);
          },
        },
      };
    });
    assert.ok(shell);
    assert.ok(timer);
    loop.submit({ kind: "ledger_restored", state: EMPTY_LEDGER, limits: options.budgets ?? [] });
    const limits = options.limits ?? {};
    const gateway = await serveGateway({
      shell,
      inspect: () => loop.inspect(),
      host: "127.0.0.1",
      port: 0,
      limits,
    });
    return new TestGateway({ gateway, shell, settled, arrived, policiesSet, timer });
  }

  /** Waits until nothing runs any more: no request owns an exchange, no attempt a connection. */
  async quiet(): Promise<void> {
    while (this.shell.open().exchanges > 0 || this.shell.open().attempts > 0) await setImmediate();
  }

  /** Waits until that many requests are over. */
  async settledCount(count: number): Promise<void> {
    while (this.settled.length < count) await setImmediate();
  }

  post(body: unknown): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return fetch(`${this.url}/v1/chat/completions`, { method: "POST", body: text });
  }

  get(path: string): Promise<Response> {
    return fetch(this.url + path);
  }

  /** A bare connection, for what no HTTP client would do. */
  async connect(): Promise<Socket> {
    const { hostname, port } = new URL(this.url);
    const socket = connect({ host: hostname, port: Number(port) });
    await once(socket, "connect");
    return socket;
  }

  async close(): Promise<void> {
    await this.#gateway.close({ graceMs: 0 });
    await this.shell.close();
    this.#timer.close();
  }
}

function readSettings(document: object, sources: SignalSources): SchedulingSettings {
  const read = readScheduling(document, sources);
  assert.ok("settings" in read, JSON.stringify(read));
  return read.settings;
}

function coreConfig(
  remotes: RemoteEndpoint[],
  timeouts: Partial<CoreConfig["timeouts"]>,
): Omit<CoreConfig, "scheduling"> {
  return {
    models: { tiny: { maxTokensDefault: 64 } },
    aliases: { default: "tiny" },
    remotes: remotes.map(({ name, models }) => {
      return { name, models: Object.keys(models), concurrencyMax: 64, contextTokens: 100_000, labels: {} };
    }),
    seed: 1,
    prices: {},
    defaultPrice: { input: 1_000_000, cachedInput: 500_000, output: 2_000_000, request: 0 },
    packetTokens: 64,
    gpuPacketUs: seconds(10),
    slices: { openMax: 100, perPayerMax: 100, depthMax: 4, ttlMaxUs: seconds(3600) },
    limits: {
      workersMax: 1_000,
      sessionsMax: 1_000,
      kvBytesMax: 2 ** 36,
      queuePacketsMax: 100,
      queueBytesMax: 2 ** 26,
      choicesMax: 8,
    },
    timeouts: { ...TIMEOUTS, ...timeouts },
    heartbeats: { staleUs: seconds(30), deadUs: seconds(60), behindMs: 30_000, aheadMs: 5_000 },
    retriesMax: 2,
  };
}

/** A chat completion request in its simplest form. */
export function chatBody(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: "tiny", messages: [{ role: "user", content: "Hi" }], ...changes };
}

/** Everything the other side sends until it closes. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => {});
  await new Promise((resolve) => socket.on("close", resolve));
  return Buffer.concat(chunks).toString();
}
