import type { Micros } from "../core/units.ts";
import type { FaultPlan } from "./faults.ts";
import type { Random } from "../core/random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * How long messages take. Those of one connection keep their order; others may overtake each other. What is sent to or
 * from a worker that is cut off arrives once it is back.
 */
export class Network {
  readonly #meanUs: Micros;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #time: VirtualTime;
  /** Until when workers are cut off. */
  readonly #cutOffUs = new Map<string, Micros>();

  constructor(options: { meanUs: Micros; time: VirtualTime; faults: FaultPlan; random: Random }) {
    this.#meanUs = options.meanUs;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
  }

  /** Nothing gets to the worker or away from it for so long. */
  cutOff(worker: string, durationUs: Micros): void {
    this.#cutOffUs.set(worker, this.#time.nowUs + durationUs);
  }

  isCutOff(worker: string): boolean {
    return this.#leftUs(worker) > 0;
  }

  /** Of a message to or from that worker. */
  delayUs(worker: string): Micros {
    const usualUs = this.#meanUs * (0.5 + this.#random.fraction());
    const delayUs = this.#faults.strikes("network_delay", 0.005) ? usualUs * 100 : usualUs;
    return delayUs + this.#leftUs(worker);
  }

  #leftUs(worker: string): Micros {
    const untilUs = this.#cutOffUs.get(worker);
    if (untilUs === undefined) return 0;
    if (untilUs <= this.#time.nowUs) this.#cutOffUs.delete(worker);
    return Math.max(0, untilUs - this.#time.nowUs);
  }
}
