import type { LimitRow } from "../../core/budget/limits.ts";
import type { QueueingConfig } from "../../core/config.ts";
import { bandIndex } from "./bands.ts";

/** How long answers may be by its thresholds, where so much of it is used. */
export function ceilingsAt({ amount, thresholds = [] }: LimitRow, used: number): number[] {
  const reached = thresholds.filter(({ percent }) => used >= Math.floor((Number(amount) * percent) / 100));
  return reached.flatMap(({ maxTokens }) => maxTokens ?? []);
}

/** What of a limit is there for requests of that priority, thresholds considered. */
export function amountFor(
  { amount, thresholds = [] }: LimitRow,
  priority: string | null,
  queueing: QueueingConfig,
): number {
  const own = bandIndex(priority, queueing);
  const percents = thresholds.map(({ percent, action, priority: named }) => {
    // Where nobody knows the band that is named, only the most urgent one is let through.
    const least = Math.max(
      0,
      queueing.bands.findIndex(({ name }) => name === named),
    );
    const isHeld = action === "hold_low_priority" && own > least;
    return action === "stop" || isHeld ? percent : 100;
  });
  return Math.floor((Number(amount) * Math.min(100, ...percents)) / 100);
}
