import { Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";
import type { ErrorCode } from "../core/errors.ts";
import type { Inspection } from "../core/inspection.ts";
import type { Stage } from "../core/lifecycle.ts";
import type { SettledRecord } from "../core/settling/record.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import type { Micros } from "../core/units.ts";
import { CostCounters } from "./cost-counters.ts";
import { DurationHistogram } from "./duration-histogram.ts";
import { expositionText, type HistogramFamily, type MetricsShare } from "./metrics-share.ts";
import { addScrapedCounter } from "./scraped-counter.ts";

export interface MetricsOptions {
  /** What stands for a model's name in labels; must be bounded, whatever clients send. */
  modelLabel: (model: string) => string;
}

/** Settled requests that have all three labels in common. */
interface RequestCount {
  model: string;
  outcome: string;
  code: string;
  requests: number;
}

/**
 * Prometheus metrics. Settled requests only count up numbers here; counters are filled from them, and
 * gauges from an inspection, when somebody scrapes. No label holds what a client can invent.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #modelLabel: (model: string) => string;
  readonly #gauges: FleetGauges;
  readonly #refusals: Counter<"code">;
  readonly #costs: CostCounters;

  readonly #requests = new Map<string, RequestCount>();
  #attempts = 0;
  #hedges = 0;
  #migrations = 0;
  readonly #tokens = { prompt: 0, cached: 0, completion: 0 };

  readonly #commitSeconds = new DurationHistogram();
  readonly #ttftSeconds = new DurationHistogram();
  readonly #totalSeconds = new DurationHistogram();
  readonly #stageSeconds = new Map<string, DurationHistogram>();

  constructor({ modelLabel }: MetricsOptions) {
    const registers = [this.#registry];
    this.#modelLabel = modelLabel;
    collectDefaultMetrics({ register: this.#registry });
    this.#gauges = new FleetGauges(this.#registry);
    this.#costs = new CostCounters(this.#registry);
    this.#refusals = new Counter({
      name: "headgate_refusals_total",
      help: "Requests refused before they reached the scheduler, by error code.",
      labelNames: ["code"],
      registers,
    });
    const registry = this.#registry;
    addScrapedCounter({
      registry,
      name: "headgate_requests_total",
      help: "Requests that reached the scheduler, by how they ended.",
      labels: ["model", "outcome", "code"],
      read: () => Array.from(this.#requests.values(), ({ requests, ...labels }) => [labels, requests]),
    });
    addScrapedCounter({
      registry,
      name: "headgate_attempts_total",
      help: "Attempts sent to endpoints by settled requests.",
      read: () => [[{}, this.#attempts]],
    });
    addScrapedCounter({
      registry,
      name: "headgate_hedges_total",
      help: "Attempts beside a first one that was slow, by settled requests.",
      read: () => [[{}, this.#hedges]],
    });
    addScrapedCounter({
      registry,
      name: "headgate_migrations_total",
      help: "Times that a begun answer went on elsewhere, by settled requests.",
      read: () => [[{}, this.#migrations]],
    });
    addScrapedCounter({
      registry,
      name: "headgate_tokens_total",
      help: "Tokens of settled requests; cached is the part of prompt that was not computed again.",
      labels: ["kind"],
      read: () => Object.entries(this.#tokens).map(([kind, count]) => [{ kind }, count]),
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  settled(record: SettledRecord): void {
    const { usage, stagesUs } = record;
    const model = this.#modelLabel(record.model);
    this.#requestCount(model, record).requests += 1;
    this.#costs.settled(record, model);
    this.#attempts += record.attempts;
    this.#hedges += record.hedges;
    this.#migrations += record.migrations;
    this.#tokens.prompt += usage.promptTokens;
    this.#tokens.cached += usage.cachedTokens;
    this.#tokens.completion += usage.completionTokens;
    this.#totalSeconds.observe(inSeconds(record.totalUs));
    if (record.ttftUs !== null) this.#ttftSeconds.observe(inSeconds(record.ttftUs));
    for (const stage in stagesUs) {
      this.#stage(stage).observe(inSeconds(stagesUs[stage as Stage]!));
    }
  }

  committed(seconds: number): void {
    this.#commitSeconds.observe(seconds);
  }

  refused(code: ErrorCode): void {
    this.#refusals.inc({ code });
  }

  /** The exposition text. */
  async scrape(inspection: Inspection): Promise<string> {
    this.#gauges.set(inspection);
    return expositionText(await this.#registry.metrics(), this.#histograms());
  }

  /** The same as data, to be added up with those of other supervisors on this port. */
  async share(inspection: Inspection): Promise<MetricsShare> {
    this.#gauges.set(inspection);
    return { families: await this.#registry.getMetricsAsJSON(), histograms: this.#histograms() };
  }

  #histograms(): HistogramFamily[] {
    return [
      familyOfOne(
        "headgate_ledger_commit_seconds",
        "Time until holds were durable, of the oldest hold in each group.",
        this.#commitSeconds,
      ),
      {
        name: "headgate_stage_seconds",
        help: "Time the slowest packet of each request spent in each stage.",
        series: Array.from(this.#stageSeconds, ([stage, each]) => {
          return { labels: `stage="${stage}"`, durations: each.toJSON() };
        }),
      },
      familyOfOne(
        "headgate_ttft_seconds",
        "Time from a request's arrival to its first token.",
        this.#ttftSeconds,
      ),
      familyOfOne(
        "headgate_request_seconds",
        "Time from a request's arrival to its end.",
        this.#totalSeconds,
      ),
    ];
  }

  #stage(stage: string): DurationHistogram {
    let histogram = this.#stageSeconds.get(stage);
    if (histogram === undefined) this.#stageSeconds.set(stage, (histogram = new DurationHistogram()));
    return histogram;
  }

  #requestCount(model: string, { outcome, code }: SettledRecord): RequestCount {
    const key = `${model} ${outcome} ${code}`;
    let count = this.#requests.get(key);
    if (count === undefined) {
      count = { model, outcome, code: code ?? "", requests: 0 };
      this.#requests.set(key, count);
    }
    return count;
  }
}

function familyOfOne(name: string, help: string, histogram: DurationHistogram): HistogramFamily {
  return { name, help, series: [{ labels: "", durations: histogram.toJSON() }] };
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
  readonly #holds: Gauge;
  readonly #workers: Gauge<"status">;
  readonly #inFlight: Gauge<"worker">;
  readonly #stalled: Gauge;
  readonly #bands: Gauge<"band">;
  readonly #breakers: Gauge<"state">;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge =>
      new Gauge({ name: `headgate_${name}`, help, registers });
    // Supervisors on one port see the same workers: of what each of them says of those, the highest holds.
    const aggregator = "max";
    this.#queuePackets = gauge("queue_packets", "Packets waiting for capacity.");
    this.#queueBytes = gauge("queue_bytes", "Bytes of the bodies of waiting requests.");
    this.#sessions = gauge("sessions", "Packets dispatched and not ended.");
    this.#kvBytes = gauge("kv_reserved_bytes", "KV cache reserved for them.");
    this.#requests = gauge("requests_open", "Requests admitted and not settled yet.");
    this.#holds = gauge("holds_open", "Holds that are neither posted nor void yet.");
    this.#stalled = new Gauge({
      name: "headgate_workers_stalled",
      help: "Workers whose engine stands still while it has work.",
      registers,
      aggregator,
    });
    this.#bands = new Gauge({
      name: "headgate_queue_band_packets",
      help: "Packets waiting for capacity, by priority band.",
      labelNames: ["band"],
      registers,
    });
    this.#breakers = new Gauge({
      name: "headgate_breakers",
      help: "Endpoints that keep failing: left alone (open) or tried again (half_open).",
      labelNames: ["state"],
      registers,
      aggregator,
    });
    this.#workers = new Gauge({
      name: "headgate_workers",
      help: "Workers and remote endpoints by status.",
      labelNames: ["status"],
      registers,
      aggregator,
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
    this.#holds.set(inspection.openHolds);
    this.#stalled.set(inspection.workers.filter(({ isStalled }) => isStalled).length);
    this.#bands.reset();
    for (const { band, packets } of inspection.queue.bands) this.#bands.set({ band }, packets);
    for (const state of ["open", "half_open"]) this.#breakers.set({ state }, 0);
    for (const { breaker } of inspection.workers.flatMap(({ models }) => models)) {
      if (breaker !== "closed") this.#breakers.inc({ state: breaker });
    }
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
