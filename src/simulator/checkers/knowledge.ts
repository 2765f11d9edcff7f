import type { CoreConfig, QueueingConfig, Scheduling, TailConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf, requestOf } from "../ids.ts";
import { isPlain } from "../policies.ts";
import type { WorkerSpec } from "../scenario.ts";
import { bandIndex } from "./bands.ts";
import { servedName } from "./names.ts";

export interface KnownRequest {
  arrival: RequestArrived;
  arrivedUs: Micros;
  /** Counts arrivals. */
  number: number;
  /** As endpoints serve it. */
  model: string;
}

/** What a packet takes up at most: what the core has planned may be less. */
export interface Need {
  places: number;
  /** In each place. */
  tokens: number;
}

/** What all checkers of one life of the supervisor may go by: requests, workers, and the policies in force. */
export class Knowledge {
  readonly config: CoreConfig;
  readonly #workers: readonly WorkerSpec[];
  #byId: ReadonlyMap<string, WorkerSpec> = new Map();
  readonly #requests = new Map<string, KnownRequest>();
  #over: string[] = [];
  #arrived = 0;
  #scheduling: Scheduling;
  #isPlain: boolean;
  #hasAskedForTime = false;
  /** All that there have been. */
  readonly #queueings: QueueingConfig[];
  readonly #tails: TailConfig[];

  constructor(config: CoreConfig, workers: readonly WorkerSpec[]) {
    this.config = config;
    this.#workers = workers;
    this.#scheduling = config.scheduling;
    this.#isPlain = isPlain(config.scheduling);
    this.#queueings = [config.scheduling.queueing];
    this.#tails = [config.scheduling.tail];
  }

  /** All that there are or have been, by id: more may be hired. */
  get workers(): ReadonlyMap<string, WorkerSpec> {
    if (this.#byId.size !== this.#workers.length) {
      this.#byId = new Map(this.#workers.map((worker) => [worker.id, worker]));
    }
    return this.#byId;
  }

  /** The policies in force. */
  get scheduling(): Scheduling {
    return this.#scheduling;
  }

  get queueings(): readonly QueueingConfig[] {
    return this.#queueings;
  }

  /** Whether packets go wherever there is room for them, in the order in which they came, and always have. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  /**
   * Whether a lease of GPU time was ever asked for. A packet that has found its place may leave the queue to wait for one, which
   * nobody sees from outside.
   */
  get hasAskedForTime(): boolean {
    return this.#hasAskedForTime;
  }

  /** The longest that one that has failed so often may stay out of the line. */
  pauseUs(failures: number): Micros {
    if (failures === 0) return 0;
    return Math.max(
      ...this.#tails.map(({ backoff: { baseUs, maxUs } }) => Math.min(maxUs, baseUs * 2 ** (failures - 1))),
    );
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    for (const request of this.#over) this.#requests.delete(request);
    this.#over = [];
    if (event.kind === "request_arrived") {
      const { request } = event;
      const model = servedName(event.model, this.config);
      this.#requests.set(request, { arrival: event, arrivedUs: nowUs, number: ++this.#arrived, model });
    }
    if (event.kind !== "policy_set") return;
    this.#scheduling = { ...this.#scheduling, ...event.scheduling };
    this.#isPlain &&= isPlain(this.#scheduling);
    if (event.scheduling.tail !== undefined) this.#tails.push(event.scheduling.tail);
    if (event.scheduling.queueing !== undefined) this.#queueings.push(event.scheduling.queueing);
  }

  /** Requests that have ended are known until the next event. */
  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "request_settled") this.#over.push(effect.record.request);
      if (effect.kind === "order_lease" && effect.order.kind === "ask") {
        this.#hasAskedForTime ||= effect.order.places.some(({ unit }) => unit === "gpu_seconds");
      }
    }
  }

  /** The request of a packet, an attempt or a hold. */
  requestOf(id: string): KnownRequest | undefined {
    return this.#requests.get(requestOf(id));
  }

  /** Place of its band in the configuration in force; the most urgent has 0. */
  bandOf({ arrival }: KnownRequest): number {
    return bandIndex(arrival.hints.priority, this.#scheduling.queueing);
  }

  /** Whom it is counted with. */
  flowOf({ arrival }: KnownRequest): string {
    const { tenant, key, hints } = arrival;
    switch (this.#scheduling.queueing.flowBy) {
      case "tenant":
        return tenant;
      case "key":
        return key === null ? tenant : `${tenant}/${key}`;
      case "hint":
        return hints.flow ?? tenant;
    }
  }

  needOf(id: string, { arrival, model }: KnownRequest): Need {
    const ceiling = arrival.maxTokens ?? this.config.models[model]?.maxTokensDefault ?? Infinity;
    return { places: arrival.choices - choiceOf(id), tokens: arrival.promptTokensMax + ceiling };
  }

  /** Whether a worker has all that the request asks for: of each label all values of a comma-separated list. */
  hasLabels(worker: string, { arrival }: KnownRequest): boolean {
    const labels = this.workers.get(worker)?.labels ?? {};
    return Object.entries(arrival.hints.labels).every(([name, asked]) => {
      const there = (labels[name] ?? "").split(",").map((value) => value.trim());
      return asked.split(",").every((value) => there.includes(value.trim()));
    });
  }
}
