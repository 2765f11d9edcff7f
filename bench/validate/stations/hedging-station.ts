import { Random } from "../../../src/core/random.ts";
import { MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { Histogram } from "../../../src/simulator/statistics/histogram.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import type { Draw } from "../../../src/simulator/workloads/synthetic/draws.ts";
import type { Outcome } from "./outcome.ts";
import { Stretches } from "./stretches.ts";

/** Between two requests, which don't disturb each other. */
const GAP_US = 1_000;

const LAWS = {
  exponential: (random) => random.exponential(1),
  /** From 1 on, with shape 1.5. */
  pareto: (random) => (1 - random.fraction()) ** (-1 / 1.5),
} as const satisfies Record<string, Draw>;

/**
 * Requests that never wait; the second copy of one starts `delay` seconds after the first unless that is through, and the loser
 * is cancelled. Figures: `T` and `extra`, the share of requests with a second copy; of the whole run `T_p99` and `T_p999`.
 */
export function runHedgingStation(options: {
  seed: number;
  law: keyof typeof LAWS;
  /** Infinity for never. */
  delay: number;
  requests: number;
}): Outcome {
  const { seed, law, delay, requests } = options;
  const random = new Random(seed);
  const time = new VirtualTime(0);
  const draw = LAWS[law];
  const times = new Histogram();
  const stretches = new Stretches({ figures: ["T", "extra"], controls: 0, requests, warmUpShare: 0 });

  let arrivals = 0;

  function arrive(): void {
    if (++arrivals < requests) time.after(GAP_US, arrive);
    const arrivedUs = time.nowUs;
    let second: (() => void) | null = null;
    let hasSecond = 0;
    const end = (): void => {
      first();
      second?.();
      times.add(time.nowUs - arrivedUs);
      stretches.add(0, (time.nowUs - arrivedUs) / MICROS_PER_SECOND);
      stretches.add(1, hasSecond);
      stretches.next();
    };
    const first = time.after(draw(random) * MICROS_PER_SECOND, end);
    if (delay < Infinity) {
      second = time.after(delay * MICROS_PER_SECOND, () => {
        hasSecond = 1;
        second = time.after(draw(random) * MICROS_PER_SECOND, end);
      });
    }
  }

  arrive();
  // To the last of them: those that take longest are what this is about.
  while (time.step(Infinity));
  const [T_p99, T_p999] = [0.99, 0.999].map((q) => times.quantile(q) / MICROS_PER_SECOND);
  return { ...stretches.outcome(), whole: { T_p99: T_p99!, T_p999: T_p999! } };
}

/** Answers that need all of `parts` exponential parts. Figure: `slow`, the share of which some part takes longer than `slowSeconds`. */
export function runFanOutStation(options: {
  seed: number;
  parts: number;
  slowSeconds: number;
  requests: number;
}): Outcome {
  const { seed, parts, slowSeconds, requests } = options;
  const random = new Random(seed);
  const stretches = new Stretches({ figures: ["slow"], controls: 0, requests, warmUpShare: 0 });
  while (!stretches.isFull) {
    let longest = 0;
    for (let part = 0; part < parts; part++) longest = Math.max(longest, random.exponential(1));
    stretches.add(0, longest > slowSeconds ? 1 : 0);
    stretches.next();
  }
  return stretches.outcome();
}
