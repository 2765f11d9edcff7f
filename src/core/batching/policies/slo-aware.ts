import { MICROS_PER_MILLI, type Micros } from "../../units.ts";
import { adaptiveWait } from "../adaptive-wait.ts";
import type { Batchable, Batcher, BatchingDefinition, BatchObserved, BatchPlan } from "../contracts.ts";
import { DurationFit } from "../duration-fit.ts";

/** What is left of the limit after a batch that took too long. */
const BACK_OFF = 0.7;
/** Share of the objective that has to be left for the limit to rise. */
const HEADROOM_MIN = 0.1;

export const sloAware: BatchingDefinition = {
  kind: "batching",
  name: "slo-aware",
  summary:
    "As adaptive, with a limit that rises by one while more wait than fit and time is left, and falls when a batch takes too long.",
  formula:
    "headroom = 1 − (wait of the first + duration) / latency; limit × 0.7 where that is < 0, limit + 1 where it is > 0.1 and more than the limit wait",
  source: "Headgate; additive increase, multiplicative decrease as in Clipper, NSDI'17",
  needs: [],
  parameters: {
    latency: { summary: "The objective, from arrival to result.", unit: "ms", default: 200, min: 1 },
    size_max: { summary: "The limit never exceeds this.", unit: "requests", default: 256, min: 1 },
  },
  create: (parameters) =>
    new SloAware(Number(parameters["latency"]) * MICROS_PER_MILLI, Number(parameters["size_max"])),
};

class SloAware implements Batcher {
  readonly #latencyUs: Micros;
  readonly #sizeMax: number;
  readonly #fit = new DurationFit();
  #limit = 1;
  /** The last batch was as large as it might be, and left others behind. */
  #leftSome = false;

  constructor(latencyUs: Micros, sizeMax: number) {
    this.#latencyUs = latencyUs;
    this.#sizeMax = sizeMax;
  }

  next(waiting: readonly Batchable[], nowUs: Micros): BatchPlan {
    const plan = adaptiveWait(waiting, nowUs, { fit: this.#fit, sizeMax: Math.floor(this.#limit) });
    if (plan.take > 0) this.#leftSome = waiting.length - plan.late > plan.take;
    return plan;
  }

  observed(batch: BatchObserved): void {
    this.#fit.add(batch);
    const headroom = 1 - (batch.waitUs + batch.durationUs) / this.#latencyUs;
    if (headroom < 0) this.#limit = Math.max(1, this.#limit * BACK_OFF);
    else if (headroom > HEADROOM_MIN && this.#leftSome)
      this.#limit = Math.min(this.#sizeMax, this.#limit + 1);
  }
}
