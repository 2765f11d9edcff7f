import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import type { Submit } from "./loop.ts";
import type { TimerPort } from "./ports.ts";

/** Longest delay Node's timers take; a later wake-up is asked for again when this one fires. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The process's monotonic clock, and one Node timer for the earliest deadline. */
export function createSystemTimer(submit: Submit): TimerPort & { close(): void } {
  const nowUs = (): Micros => Math.floor((performance.timeOrigin + performance.now()) * MICROS_PER_MILLI);
  let pending: NodeJS.Timeout | undefined;
  return {
    nowUs,
    wake(atUs) {
      clearTimeout(pending);
      const delayMs = Math.ceil((atUs - nowUs()) / MICROS_PER_MILLI);
      pending = setTimeout(
        () => submit({ kind: "timer_fired" }),
        Math.min(Math.max(delayMs, 0), DELAY_MS_MAX),
      );
    },
    close() {
      clearTimeout(pending);
    },
  };
}
