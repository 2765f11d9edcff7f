import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { ErrorCode } from "../core/errors.ts";
import type { Inspection } from "../core/inspection.ts";
import type { SettledRecord } from "../core/settling/record.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import type { Micros } from "../core/units.ts";

/** From a quick stage to a request at its deadline, in seconds. */
const BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

export interface MetricsOptions {
  /** What stands for a model's name in labels; must be bounded, whatever clients send. */
  modelLabel: (model: string) => string;
}

/**
 * Prometheus metrics. Counters and histograms are fed by settled requests; gauges are read
 * from an inspection when somebody scrapes. No label holds what a client can invent.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #modelLabel: (model: string) => string;
  readonly #gauges: FleetGauges;
  readonly #stageSeconds: Histogram<"stage">;
  readonly #stageObservers = new Map<string, Histogram.Internal<"stage">>();
  readonly #requestCounters = new Map<string, Counter.Internal>();

  readonly #requests: Counter<"model" | "outcome" | "code">;
  readonly #refusals: Counter<"code">;
  readonly #attempts: Counter;
  readonly #ttftSeconds: Histogram;
  readonly #totalSeconds: Histogram;
  readonly #promptTokens: Counter.Internal;
  readonly #cachedTokens: Counter.Internal;
  readonly #completionTokens: Counter.Internal;

  constructor({ modelLabel }: MetricsOptions) {
    const registers = [this.#registry];
    this.#modelLabel = modelLabel;
    collectDefaultMetrics({ register: this.#registry });
    this.#gauges = new FleetGauges(this.#registry);
    this.#requests = new Counter({
      name: "headgate_requests_total",
      help: "Requests that reached the scheduler, by how they ended.",
      labelNames: ["model", "outcome", "code"],
      registers,
    });
    this.#refusals = new Counter({
      name: "headgate_refusals_total",
      help: "Requests refused before they reached the scheduler, by error code.",
      labelNames: ["code"],
      registers,
    });
    this.#attempts = new Counter({
      name: "headgate_attempts_total",
      help: "Attempts sent to endpoints by settled requests.",
      registers,
    });
    this.#stageSeconds = new Histogram({
      name: "headgate_stage_seconds",
      help: "Time the slowest packet of each request spent in each stage.",
      labelNames: ["stage"],
      buckets: BUCKETS_SECONDS,
      registers,
    });
    this.#ttftSeconds = new Histogram({
      name: "headgate_ttft_seconds",
      help: "Time from a request's arrival to its first token.",
      buckets: BUCKETS_SECONDS,
      registers,
    });
    this.#totalSeconds = new Histogram({
      name: "headgate_request_seconds",
      help: "Time from a request's arrival to its end.",
      buckets: BUCKETS_SECONDS,
      registers,
    });
    const tokens = new Counter({
      name: "headgate_tokens_total",
      help: "Tokens of settled requests; cached is the part of prompt that was not computed again.",
      labelNames: ["kind"],
      registers,
    });
    this.#promptTokens = tokens.labels({ kind: "prompt" });
    this.#cachedTokens = tokens.labels({ kind: "cached" });
    this.#completionTokens = tokens.labels({ kind: "completion" });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  settled(record: SettledRecord): void {
    this.#requestCounter(record).inc();
    this.#attempts.inc(record.attempts);
    this.#promptTokens.inc(record.usage.promptTokens);
    this.#cachedTokens.inc(record.usage.cachedTokens);
    this.#completionTokens.inc(record.usage.completionTokens);
    this.#totalSeconds.observe(inSeconds(record.totalUs));
    if (record.ttftUs !== null) this.#ttftSeconds.observe(inSeconds(record.ttftUs));
    for (const [stage, us] of Object.entries(record.stagesUs)) {
      this.#stageObserver(stage).observe(inSeconds(us));
    }
  }

  refused(code: ErrorCode): void {
    this.#refusals.inc({ code });
  }

  /** The exposition text. */
  scrape(inspection: Inspection): Promise<string> {
    this.#gauges.set(inspection);
    return this.#registry.metrics();
  }

  /** Looking a label up costs more than the observation. */
  #stageObserver(stage: string): Histogram.Internal<"stage"> {
    let observer = this.#stageObservers.get(stage);
    if (observer === undefined) {
      observer = this.#stageSeconds.labels({ stage });
      this.#stageObservers.set(stage, observer);
    }
    return observer;
  }

  #requestCounter(record: SettledRecord): Counter.Internal {
    const model = this.#modelLabel(record.model);
    const code = record.code ?? "";
    const key = `${model} ${record.outcome} ${code}`;
    let counter = this.#requestCounters.get(key);
    if (counter === undefined) {
      counter = this.#requests.labels({ model, outcome: record.outcome, code });
      this.#requestCounters.set(key, counter);
    }
    return counter;
  }
}

function inSeconds(us: Micros): number {
  return us / MICROS_PER_MILLI / MILLIS_PER_SECOND;
}

/** The state of queue and fleet. */
class FleetGauges {
  readonly #queuePackets: Gauge;
  readonly #queueBytes: Gauge;
  readonly #sessions: Gauge;
  readonly #kvBytes: Gauge;
  readonly #requests: Gauge;
  readonly #workers: Gauge<"status">;
  readonly #inFlight: Gauge<"worker">;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge =>
      new Gauge({ name: `headgate_${name}`, help, registers });
    this.#queuePackets = gauge("queue_packets", "Packets waiting for capacity.");
    this.#queueBytes = gauge("queue_bytes", "Bytes of the bodies of waiting requests.");
    this.#sessions = gauge("sessions", "Packets dispatched and not ended.");
    this.#kvBytes = gauge("kv_reserved_bytes", "KV cache reserved for them.");
    this.#requests = gauge("requests_open", "Requests admitted and not settled yet.");
    this.#workers = new Gauge({
      name: "headgate_workers",
      help: "Workers and remote endpoints by status.",
      labelNames: ["status"],
      registers,
    });
    this.#inFlight = new Gauge({
      name: "headgate_worker_in_flight",
      help: "Packets this supervisor has running on each worker.",
      labelNames: ["worker"],
      registers,
    });
  }

  set(inspection: Inspection): void {
    this.#queuePackets.set(inspection.queue.packets);
    this.#queueBytes.set(inspection.queue.bytes);
    this.#sessions.set(inspection.sessions);
    this.#kvBytes.set(inspection.kvBytes);
    this.#requests.set(inspection.requests);
    // Workers come and go: those that went must not be shown with their last value.
    this.#workers.reset();
    this.#inFlight.reset();
    for (const status of ["alive", "stale", "draining"]) this.#workers.set({ status }, 0);
    for (const { worker, status, inFlight } of inspection.workers) {
      this.#workers.inc({ status });
      this.#inFlight.set({ worker }, inFlight);
    }
  }
}
