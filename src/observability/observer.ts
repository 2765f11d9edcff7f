import { performance } from "node:perf_hooks";
import type { Effect, RequestSettled, WorkerChanged } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import { MILLIS_PER_SECOND } from "../core/units.ts";
import { isAwaited } from "../ledger/group-commit.ts";
import type { ObserverPort } from "../supervisor/ports.ts";
import type { Canary } from "./canary.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { logSettled } from "./settled-line.ts";

/** Tells people and Prometheus what happened. */
export function createObserver({
  log,
  metrics,
  canary,
}: {
  log: Log;
  metrics: Metrics;
  canary: Canary;
}): ObserverPort {
  const commits = new CommitTimes((seconds) => metrics.committed(seconds));
  return {
    event: (_nowUs, event) => commits.event(event),
    effects: (effects) => commits.effects(effects),
    settled({ record }: RequestSettled) {
      metrics.settled(record);
      canary.settled(record);
      logSettled(log, record);
    },
    workerChanged({ worker, status, reason }: WorkerChanged) {
      const line = { worker, status, reason };
      if (status === "alive" || status === "draining") log.info(line, "worker changed");
      else log.warn(line, "worker changed");
    },
    drained() {
      log.info("drained");
    },
    leaseLost() {
      log.error({}, "nothing is heard of the ledger");
    },
  };
}

/** How long packets wait for their holds to be durable: that of the oldest in each group. */
class CommitTimes {
  readonly #observe: (seconds: number) => void;
  /** The first hold that is not durable yet, and when it was asked for in ms; null when there is none. */
  #oldest: { sequence: number; sinceMs: number } | null = null;

  constructor(observe: (seconds: number) => void) {
    this.#observe = observe;
  }

  effects(effects: readonly Effect[]): void {
    if (this.#oldest !== null) return;
    for (const effect of effects) {
      if (effect.kind !== "append_ledger" || !isAwaited(effect.entry)) continue;
      this.#oldest = { sequence: effect.entry.sequence, sinceMs: performance.now() };
      return;
    }
  }

  event(event: SupervisorEvent): void {
    if (event.kind !== "ledger_durable" || this.#oldest === null) return;
    if (event.through < this.#oldest.sequence) return;
    this.#observe((performance.now() - this.#oldest.sinceMs) / MILLIS_PER_SECOND);
    this.#oldest = null;
  }
}
