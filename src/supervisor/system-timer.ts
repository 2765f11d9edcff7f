import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import type { Submit } from "./loop.ts";
import type { TimerPort } from "./ports.ts";

/** Longest delay Node's timers take; a later wake-up is asked for again when this one fires. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export interface SystemTimer extends TimerPort {
  close(): void;
}

/** The process's monotonic clock, and one Node timer for the earliest deadline. */
export function createSystemTimer(submit: Submit): SystemTimer {
  let pending: NodeJS.Timeout | undefined;
  return {
    nowUs: systemNowUs,
    wake(atUs) {
      clearTimeout(pending);
      const delayMs = Math.ceil((atUs - systemNowUs()) / MICROS_PER_MILLI);
      const boundedMs = Math.min(Math.max(delayMs, 0), DELAY_MS_MAX);
      // After a pause of the whole process, what has arrived meanwhile is read before anyone is called silent.
      pending = setTimeout(() => setImmediate(submit, { kind: "timer_fired" }), boundedMs);
    },
    close() {
      clearTimeout(pending);
    },
  };
}

/** The process's clock, which never goes back. */
export function systemNowUs(): Micros {
  return Math.floor((performance.timeOrigin + performance.now()) * MICROS_PER_MILLI);
}
