import type { RequestSettled, WorkerChanged } from "../core/effects.ts";
import type { ObserverPort } from "../supervisor/ports.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { logSettled } from "./settled-line.ts";

/** Tells people and Prometheus what happened. Events and effects are a recorder's subject, not ours. */
export function createObserver({ log, metrics }: { log: Log; metrics: Metrics }): ObserverPort {
  return {
    event() {},
    effects() {},
    settled({ record }: RequestSettled) {
      metrics.settled(record);
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
  };
}
