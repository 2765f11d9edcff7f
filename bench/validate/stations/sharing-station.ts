import { Random } from "../../../src/core/random.ts";
import { Timers } from "../../../src/core/timers.ts";
import { MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import { LARGE, type LawName, lawNamed, SMALL } from "./law.ts";
import type { Outcome } from "./outcome.ts";
import { Stretches } from "./stretches.ts";

/** Work that each job has had since the beginning is counted in units this small. */
const GRAINS = 1e9;

/**
 * One server that serves all jobs at once, each at 1/n of its speed: M/G/1 with processor sharing. Figures: `T`, and for sizes
 * of `two sizes` `T_small` and `T_large`.
 *
 * What each job has had since the beginning is the same for all and grows with time/n: a job ends when it has grown
 * by its size, so the next to end is the first of a heap, however n changes.
 */
export function runSharingStation(options: {
  seed: number;
  rate: number;
  law: LawName;
  requests: number;
}): Outcome {
  const { seed, rate, law, requests } = options;
  const random = new Random(seed);
  const time = new VirtualTime(0);
  const service = lawNamed(law);
  const stretches = new Stretches({
    figures: ["T", "T_small", "T_large"],
    controls: 2,
    requests,
    warmUpShare: 0.05,
  });
  /** By the service that each job of them all will have had when it ends. */
  const jobs = new Timers<{ arrivedUs: number; size: number }>();
  let had = 0;
  let sinceUs = 0;
  let cancel: (() => void) | null = null;

  function grow(): void {
    if (jobs.size > 0) had += ((time.nowUs - sinceUs) / MICROS_PER_SECOND / jobs.size) * GRAINS;
    sinceUs = time.nowUs;
  }

  function plan(): void {
    cancel?.();
    if (jobs.nextUs === null) return;
    cancel = time.after(((jobs.nextUs - had) / GRAINS) * jobs.size * MICROS_PER_SECOND, () => {
      grow();
      const { arrivedUs, size } = jobs.takeDue(Infinity)!.action;
      const seconds = (time.nowUs - arrivedUs) / MICROS_PER_SECOND;
      stretches.add(0, seconds);
      if (size === SMALL) stretches.add(1, seconds);
      if (size === LARGE) stretches.add(2, seconds);
      stretches.control(1, size - 1);
      stretches.next();
      plan();
    });
  }

  function arrive(): void {
    const gap = random.exponential(1 / rate);
    time.after(gap * MICROS_PER_SECOND, () => {
      arrive();
      stretches.control(0, gap * rate - 1);
      grow();
      const size = service(random);
      jobs.set(had + size * GRAINS, { arrivedUs: time.nowUs, size });
      plan();
    });
  }

  arrive();
  while (!stretches.isFull) time.step(Infinity);
  return stretches.outcome();
}
