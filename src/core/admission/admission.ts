import type { AdmissionConfig, CoreConfig } from "../config.ts";
import type { CapacityReason, HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { hasLabels } from "../fleet/worker.ts";
import { createPolicy } from "../policy.ts";
import type { Queue } from "../queueing/queue.ts";
import type { Random } from "../random.ts";
import type { Micros } from "../units.ts";
import { SATURATION, SHEDDING } from "./catalogues.ts";
import type { Load, Saturation, Shedding } from "./contracts.ts";
import { type Counted, quoted, RateLimits, type RateShortage } from "./rate-limits.ts";

/** How long a client is asked to wait before it tries again, where nobody knows when that will help. */
const RETRY_AFTER_SECONDS = 1;

const EXPLANATIONS: Record<CapacityReason, string> = {
  no_workers: "No worker serves this model yet.",
  no_healthy_workers: "Every worker that serves this model is silent or draining.",
  no_matching_labels: "No worker that serves this model has the labels that were asked for.",
  all_workers_at_capacity: "Every worker that serves this model is full.",
  system_sessions_full: "As many sessions are running as limits.sessions_max allows.",
  system_kv_cache_full: "As much KV cache is in use as limits.kv_bytes_max allows.",
  queue_full: "The queue is full.",
  band_full: "The queue has no more room for requests of this priority.",
  queue_timeout: "No worker had room before timeouts.queue ran out.",
  slices_full: "As many slices of budgets are open as budgets.slices allows.",
  evicted: "The queue was full, and more urgent requests came.",
  shed: "Requests of this priority are turned away while the workers are this busy.",
  draining: "Headgate is shutting down.",
  ledger_unavailable: "What is spent can't be written down at the moment.",
};

export function noCapacity(reason: CapacityReason): HeadgateError {
  return {
    code: "capacity",
    reason,
    message: EXPLANATIONS[reason],
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}

/**
 * Whether to take a request in at all. Looks at counters only, so a refusal costs the same
 * however large the fleet and however long the queue.
 */
export class Admission {
  readonly #config: CoreConfig;
  readonly #fleet: Fleet;
  readonly #queue: Queue;
  readonly #random: Random;
  readonly #rates: RateLimits;
  #saturation: Saturation;
  #shedding: Shedding;

  constructor(config: CoreConfig, world: { fleet: Fleet; queue: Queue; random: Random }) {
    const { saturation, shedding } = config.scheduling.admission;
    this.#config = config;
    this.#fleet = world.fleet;
    this.#queue = world.queue;
    this.#random = world.random;
    this.#rates = new RateLimits(config.scheduling.admission);
    this.#saturation = createPolicy(SATURATION, saturation);
    this.#shedding = createPolicy(SHEDDING, shedding);
  }

  /** Other policies and rates from now on. */
  reconfigure(admission: AdmissionConfig): void {
    this.#saturation = createPolicy(SATURATION, admission.saturation);
    this.#shedding = createPolicy(SHEDDING, admission.shedding);
    this.#rates.reconfigure(admission);
  }

  /**
   * Why the request is refused, whatever the rates; null when it is not.
   *
   * @param state.openPackets how many packets there are that don't wait for their budgets
   */
  admit(
    request: { arrival: RequestArrived; model: string },
    state: { openPackets: number; draining: boolean },
  ): HeadgateError | null {
    return this.outOfReach(request, state) ?? this.#outOfRoom(request, state) ?? this.#shed(request);
  }

  /** The rates that the request counts with; null where there are none. */
  counted(arrival: RequestArrived, model: string): Counted | null {
    return this.#rates.counted(arrival, model);
  }

  /** Counts it with all of them, or says which of them has no room. */
  take(counted: Counted, nowUs: Micros): RateShortage | null {
    return this.#rates.take(counted, nowUs);
  }

  /** Whether there is nobody whom it could go to; null where there is. */
  outOfReach(
    { arrival, model }: { arrival: RequestArrived; model: string },
    { draining }: { draining: boolean },
  ): HeadgateError | null {
    if (draining) return noCapacity("draining");
    if (this.#fleet.known(model).length === 0) {
      if (Object.hasOwn(this.#config.models, model)) return noCapacity("no_workers");
      return {
        code: "model_not_found",
        param: "model",
        message: `There is no model ${quoted(model)}.`,
      };
    }
    if (this.#fleet.available(model).length === 0) return noCapacity("no_healthy_workers");
    const { labels } = arrival.hints;
    // Most ask for none. One whose workers are all away for the moment waits for them.
    const matches = ({ worker }: Endpoint): boolean => hasLabels(worker, labels);
    if (Object.keys(labels).length === 0 || this.#fleet.known(model).some(matches)) return null;
    return noCapacity("no_matching_labels");
  }

  #outOfRoom(
    { arrival, model }: { arrival: RequestArrived; model: string },
    { openPackets }: { openPackets: number },
  ): HeadgateError | null {
    const { sessionsMax, kvBytesMax, queuePacketsMax } = this.#config.limits;
    if (this.#fleet.sessions >= sessionsMax) return noCapacity("system_sessions_full");
    if (this.#fleet.kvBytes >= kvBytesMax) return noCapacity("system_kv_cache_full");
    // Behind others that wait it would have to wait too, and packets on their way to the queue count.
    if (this.#queue.isWaiting(model)) {
      const full = this.#queue.fullFor(arrival);
      if (full !== null && this.#queue.evictFor(arrival) === null) return noCapacity(full);
    }
    return openPackets >= sessionsMax + queuePacketsMax ? noCapacity("queue_full") : null;
  }

  /** There would be room, but not for everybody. */
  #shed({ arrival, model }: { arrival: RequestArrived; model: string }): HeadgateError | null {
    if (!this.#queue.isSheddable(arrival)) return null;
    const probability = this.#shedding.probability(this.#saturation.of(this.#load(model)));
    return probability > 0 && this.#random.chance(probability) ? noCapacity("shed") : null;
  }

  #load(model: string): Load {
    const { slots, kvBytesMax } = this.#fleet.capacity(model);
    return {
      running: this.#queue.runningOn(model),
      waiting: this.#queue.waitingFor(model),
      slots,
      kvBytes: this.#fleet.kvBytes,
      kvBytesMax: Math.min(kvBytesMax, this.#config.limits.kvBytesMax),
    };
  }
}
