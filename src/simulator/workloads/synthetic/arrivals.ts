import type { Random } from "../../../core/random.ts";
import { exponential, gamma } from "./draws.ts";

/** Moments at which somebody begins, in seconds from the start, ascending and without end. */
export type Arrivals = (random: Random) => Generator<number>;

/** Independent of each other: `rate` a second. */
export function poisson(rate: number): Arrivals {
  return renewal(exponential(1 / rate));
}

/** With gaps that vary more (`variation` above 1: bursts) or less than those of a Poisson process. */
export function gammaArrivals(rate: number, variation: number): Arrivals {
  return renewal(gamma(1 / rate, variation));
}

/** A Poisson process for `onSeconds`, nothing for `offSeconds`, and so on; `rate` is that of the first. */
export function onOff(rate: number, onSeconds: number, offSeconds: number): Arrivals {
  return function* (random) {
    // What the process sees of time is the part in which it is on.
    for (const time of poisson(rate)(random)) {
      yield time + Math.floor(time / onSeconds) * offSeconds;
    }
  };
}

/**
 * A Poisson process whose rate goes up and down like the hours of a day: rate·(1 + amplitude·sin(2πt/period)), amplitude
 * in [0, 1]. By thinning: candidates come at the highest rate, and each stays with the chance of rate(t)/highest.
 * Lewis and Shedler, Naval Research Logistics Quarterly 26 (1979).
 */
export function diurnal(rate: number, amplitude: number, periodSeconds: number): Arrivals {
  return function* (random) {
    for (const time of poisson(rate * (1 + amplitude))(random)) {
      const wave = 1 + amplitude * Math.sin((2 * Math.PI * time) / periodSeconds);
      if (random.chance(wave / (1 + amplitude))) yield time;
    }
  };
}

function renewal(gap: (random: Random) => number): Arrivals {
  return function* (random) {
    for (let time = gap(random); ; time += gap(random)) yield time;
  };
}
