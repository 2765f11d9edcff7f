import type { AdmissionConfig, CoreConfig } from "../config.ts";
import type { CapacityReason, HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { hasLabels } from "../fleet/worker.ts";
import { createPolicy } from "../policy.ts";
import { keyOf } from "../queueing/flow-of.ts";
import type { Queue } from "../queueing/queue.ts";
import type { Random } from "../random.ts";
import { MICROS_PER_SECOND, type Micros } from "../units.ts";
import { SATURATION, SHEDDING } from "./catalogues.ts";
import type { Load, Saturation, Shedding } from "./contracts.ts";
import { Rates } from "./rates.ts";

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
  readonly #rates: Rates;
  readonly #payerRates: Rates;
  #saturation: Saturation;
  #shedding: Shedding;

  constructor(config: CoreConfig, world: { fleet: Fleet; queue: Queue; random: Random }) {
    const { saturation, shedding, rates, payerRates } = config.scheduling.admission;
    this.#config = config;
    this.#fleet = world.fleet;
    this.#queue = world.queue;
    this.#random = world.random;
    this.#rates = new Rates(rates);
    this.#payerRates = new Rates(payerRates);
    this.#saturation = createPolicy(SATURATION, saturation);
    this.#shedding = createPolicy(SHEDDING, shedding);
  }

  /** Other policies and rates from now on. */
  reconfigure({ saturation, shedding, rates, payerRates }: AdmissionConfig): void {
    this.#saturation = createPolicy(SATURATION, saturation);
    this.#shedding = createPolicy(SHEDDING, shedding);
    this.#rates.reconfigure(rates);
    this.#payerRates.reconfigure(payerRates);
  }

  /**
   * Why the request is refused; null when it is not, in which case it counts against the rates of its model, tenant and key.
   *
   * @param state.openPackets how many packets there are that don't wait for their budgets
   */
  admit(
    request: { arrival: RequestArrived; model: string },
    state: { nowUs: Micros; openPackets: number; draining: boolean },
  ): HeadgateError | null {
    return (
      this.#outOfReach(request, state) ?? this.#outOfRoom(request, state) ?? this.#outOfTurn(request, state)
    );
  }

  /** Whom could it go to? */
  #outOfReach(
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
  #outOfTurn(
    { arrival, model }: { arrival: RequestArrived; model: string },
    { nowUs }: { nowUs: Micros },
  ): HeadgateError | null {
    if (this.#queue.isSheddable(arrival)) {
      const probability = this.#shedding.probability(this.#saturation.of(this.#load(model)));
      if (probability > 0 && this.#random.chance(probability)) return noCapacity("shed");
    }
    return this.#takeTurn({ arrival, model }, nowUs);
  }

  /** A request out of each bucket that it counts in, or out of none. */
  #takeTurn(
    { arrival, model }: { arrival: RequestArrived; model: string },
    nowUs: Micros,
  ): HeadgateError | null {
    // Most have no rate to look at.
    const payers = this.#payerRates.isEmpty ? [] : payersOf(arrival);
    let whose: string | null = null;
    let waitUs = this.#rates.waitUs(model, nowUs);
    for (const payer of payers) {
      const otherUs = this.#payerRates.waitUs(payer, nowUs);
      if (otherUs > waitUs) [whose, waitUs] = [payer, otherUs];
    }
    if (waitUs > 0) {
      const message = `More requests come than the rate of ${whose ?? quoted(model)} allows.`;
      return { code: "rate_limited", message, retryAfterSeconds: Math.ceil(waitUs / MICROS_PER_SECOND) };
    }
    this.#rates.take(model, nowUs);
    for (const payer of payers) this.#payerRates.take(payer, nowUs);
    return null;
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

/** By the names that rates are set for. */
function payersOf({ tenant, key }: RequestArrived): string[] {
  return key === null ? [tenant] : [tenant, keyOf(tenant, key)];
}

/** A name from outside, cut to a readable length. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
