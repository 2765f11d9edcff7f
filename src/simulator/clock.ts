import type { Micros } from "../core/units.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** The clock of one process: perhaps off, and perhaps slow. */
export class VirtualClock {
  readonly #time: VirtualTime;
  readonly #startUs: Micros;
  readonly #errorUs: Micros;
  readonly #rate: number;

  /**
   * It stands `errorUs` behind when it starts, and goes `rate` times as fast as time itself from then on: no faster than that,
   * so that it shows each microsecond.
   */
  constructor(time: VirtualTime, { errorUs = 0, rate = 1 }: { errorUs?: Micros; rate?: number }) {
    this.#time = time;
    // Engines end their steps within microseconds; clocks show whole ones.
    this.#startUs = Math.floor(time.nowUs);
    this.#errorUs = errorUs;
    this.#rate = rate;
  }

  get nowUs(): Micros {
    return this.#shownAt(this.#time.nowUs);
  }

  /** How long it takes in truth until it shows that time. */
  delayUntil(atUs: Micros): Micros {
    const { nowUs } = this.#time;
    let delayUs = Math.max(0, Math.floor((atUs - this.nowUs) / this.#rate) - 1);
    while (this.#shownAt(nowUs + delayUs) < atUs) delayUs++;
    return delayUs;
  }

  #shownAt(trueUs: Micros): Micros {
    return this.#startUs - this.#errorUs + Math.floor((trueUs - this.#startUs) * this.#rate);
  }
}
