import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { Checker, Violate } from "./checker.ts";

/**
 * Little's law, L = λW, as an identity over a whole run: the time integral of the number of requests inside, counted
 * from events, is the sum of the times that records say each of them was there.
 */
export class LittleChecker implements Checker {
  readonly #violate: Violate;
  #inside = 0;
  #sinceUs: Micros = 0;
  #integralUs = 0;
  #recordedUs = 0;

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived") this.#change(nowUs, 1);
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "request_settled") continue;
      this.#change(nowUs, -1);
      this.#recordedUs += effect.record.totalUs;
    }
  }

  end(): void {
    if (this.#inside !== 0) this.#violate(null, `${this.#inside} requests are still inside`);
    // All times are whole microseconds, so far below 2^53 that their sums are exact.
    if (this.#integralUs === this.#recordedUs) return;
    this.#violate(
      null,
      `requests were inside for ${this.#integralUs} µs, and records say ${this.#recordedUs}`,
    );
  }

  #change(nowUs: Micros, by: 1 | -1): void {
    this.#integralUs += this.#inside * (nowUs - this.#sinceUs);
    this.#sinceUs = nowUs;
    this.#inside += by;
  }
}
