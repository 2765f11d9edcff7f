import type { Random } from "../../../src/core/random.ts";
import { type Draw, exponential, fixed } from "../../../src/simulator/workloads/synthetic/draws.ts";

export const SMALL = 0.5;
export const LARGE = 3;
const SMALL_SHARE = 0.8;
/** The share of the first of two exponentials that gives the squared variation c² = 4: (1 + √((c² − 1)/(c² + 1)))/2. */
const OFTEN = (1 + Math.sqrt(3 / 5)) / 2;

/** Laws of service times with mean 1, by name: tasks travel between threads. */
export type LawName = keyof typeof LAWS;

const LAWS = {
  exponential: exponential(1),
  constant: fixed(1),
  /** Two exponentials with equal shares of the work, such that the squared variation is 4. */
  hyperexponential: hyperexponential(),
  /** Many small ones and a few large: squared variation 1, as the exponential has. */
  "two sizes": (random: Random) => (random.chance(SMALL_SHARE) ? SMALL : LARGE),
} as const satisfies Record<string, Draw>;

export function lawNamed(name: LawName): Draw {
  return LAWS[name];
}

/** Raw moments E[S²], E[S³] and E[S⁴]. */
const MOMENTS: Readonly<Record<LawName, readonly [number, number, number]>> = {
  exponential: [2, 6, 24],
  constant: [1, 1, 1],
  hyperexponential: [hyperMoment(2), hyperMoment(3), hyperMoment(4)],
  "two sizes": [twoSizesMoment(2), twoSizesMoment(3), twoSizesMoment(4)],
};

/** Second to fourth cumulant of service less an exponential gap, both with mean 1. */
export function surplusCumulants(name: LawName): [number, number, number] {
  const [m2, m3, m4] = MOMENTS[name];
  const [k2, k3, k4] = [m2 - 1, m3 - 3 * m2 + 2, m4 - 4 * m3 - 3 * m2 ** 2 + 12 * m2 - 6];
  // The n-th cumulant of an exponential is (n − 1)!, and odd ones change their sign with it.
  return [k2 + 1, k3 - 2, k4 + 6];
}

/** Two exponentials with balanced means: Allen, "Probability, Statistics and Queueing Theory", §3.2.9. */
function hyperexponential(): Draw {
  return (random) => {
    const share = random.chance(OFTEN) ? OFTEN : 1 - OFTEN;
    return random.exponential(1 / (2 * share));
  };
}

function hyperMoment(n: 2 | 3 | 4): number {
  const factorial = { 2: 2, 3: 6, 4: 24 }[n];
  return factorial * [OFTEN, 1 - OFTEN].reduce((sum, share) => sum + share / (2 * share) ** n, 0);
}

function twoSizesMoment(n: number): number {
  return SMALL_SHARE * SMALL ** n + (1 - SMALL_SHARE) * LARGE ** n;
}
