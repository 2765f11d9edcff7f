import type { Micros } from "../units.ts";
import { type Batchable, type BatchPlan, take, wait } from "./contracts.ts";
import type { DurationFit } from "./duration-fit.ts";

/** Waiting has to be worth it by so much. */
const DECAY = 0.95;

/**
 * Waits for one more while that pays: those that are there wait for as long as nothing comes, and gain a share of what batches
 * have waited for so far. What can't be ready in time, were it begun now, is given up, but for a last one that nobody waits behind.
 */
export function adaptiveWait(
  waiting: readonly Batchable[],
  nowUs: Micros,
  { fit, sizeMax }: { fit: DurationFit; sizeMax: number },
): BatchPlan {
  const late = lateOnes(waiting, nowUs, { fit, sizeMax });
  const size = waiting.length - late;
  if (size === 0) return wait(Infinity, late);
  if (size >= sizeMax) return take(sizeMax, late);
  // n · (time since the last came + a) ≤ decay · mean wait, solved for the moment at which that ends.
  const newestUs = waiting.reduce((latest, { sinceUs }) => Math.max(latest, sinceUs), -Infinity);
  const paysUntilUs = newestUs + (DECAY * fit.meanWaitUs) / size - fit.perItemUs;
  const mustBeginUs = waiting[late]!.dueUs - fit.durationUs(size);
  const untilUs = Math.floor(Math.min(paysUntilUs, mustBeginUs));
  return untilUs > nowUs ? wait(untilUs, late) : take(size, late);
}

function lateOnes(
  waiting: readonly Batchable[],
  nowUs: Micros,
  { fit, sizeMax }: { fit: DurationFit; sizeMax: number },
): number {
  let late = 0;
  while (late < waiting.length) {
    const size = waiting.length - late;
    const readyUs = size > 1 ? nowUs + fit.durationUs(Math.min(size, sizeMax)) : nowUs;
    if (readyUs <= waiting[late]!.dueUs) break;
    late++;
  }
  return late;
}
