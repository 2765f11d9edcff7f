import type { Micros } from "../core/units.ts";
import type { FaultPlan } from "./faults.ts";
import type { Random } from "./random.ts";

/** How long messages take. Those of one connection keep their order; others may overtake each other. */
export class Network {
  readonly #meanUs: Micros;
  readonly #faults: FaultPlan;
  readonly #random: Random;

  constructor(options: { meanUs: Micros; faults: FaultPlan; random: Random }) {
    this.#meanUs = options.meanUs;
    this.#faults = options.faults;
    this.#random = options.random;
  }

  delayUs(): Micros {
    const delayUs = this.#meanUs * (0.5 + this.#random.fraction());
    return this.#faults.strikes("network_delay", 0.005) ? delayUs * 100 : delayUs;
  }
}
