import type { Micros } from "../core/units.ts";
import type { ParkingSpec } from "./scenario.ts";

/**
 * KV states of parked answers, kept for others to fetch: each for a while, and so many at most, of which the oldest
 * gives way. Whoever wants one that is gone has to read everything again.
 */
export class Parking {
  readonly #spec: ParkingSpec;
  /** Until when each attempt's state is kept, the oldest first. */
  readonly #untilUs = new Map<string, Micros>();

  constructor(spec: ParkingSpec) {
    this.#spec = spec;
  }

  keep(attempt: string, nowUs: Micros): void {
    const { statesMax, ttlUs } = this.#spec;
    this.#untilUs.set(attempt, nowUs + ttlUs);
    for (const oldest of this.#untilUs.keys()) {
      if (this.#untilUs.size <= statesMax) return;
      this.#untilUs.delete(oldest);
    }
  }

  has(attempt: string, nowUs: Micros): boolean {
    return nowUs < (this.#untilUs.get(attempt) ?? 0);
  }

  free(attempt: string): void {
    this.#untilUs.delete(attempt);
  }

  clear(): void {
    this.#untilUs.clear();
  }
}
