import { Random } from "../../../src/core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import type { Outcome } from "./outcome.ts";
import { Stretches } from "./stretches.ts";

interface Job {
  kind: 0 | 1;
  arrivedUs: Micros;
  serviceUs: Micros;
  leftUs: Micros;
}

/**
 * One server, two classes, exponential service with mean 1 s; an arrival of the first class interrupts a job of the second, which
 * goes on later where it was. Figures: `T0` and `T1`.
 */
export function runPreemptiveStation(options: {
  seed: number;
  rates: readonly [number, number];
  requests: number;
}): Outcome {
  const { seed, rates, requests } = options;
  const rate = rates[0] + rates[1];
  const random = new Random(seed);
  const time = new VirtualTime(0);
  const stretches = new Stretches({ figures: ["T0", "T1"], controls: 3, requests, warmUpShare: 0.05 });
  const lines: [Line, Line] = [new Line(), new Line()];
  let running: { job: Job; sinceUs: Micros; cancel: () => void } | null = null;

  function serve(): void {
    if (running !== null) {
      const { job, sinceUs, cancel } = running;
      if (job.kind === 0 || lines[0].size === 0) return;
      cancel();
      job.leftUs -= time.nowUs - sinceUs;
      lines[1].putBack(job);
    }
    const job = lines[0].shift() ?? lines[1].shift();
    running =
      job === null ? null : { job, sinceUs: time.nowUs, cancel: time.after(job.leftUs, () => end(job)) };
  }

  function end(job: Job): void {
    running = null;
    stretches.add(job.kind, (time.nowUs - job.arrivedUs) / MICROS_PER_SECOND);
    stretches.control(1, job.serviceUs / MICROS_PER_SECOND - 1);
    stretches.next();
    serve();
  }

  function arrive(): void {
    const gap = random.exponential(1 / rate);
    time.after(gap * MICROS_PER_SECOND, () => {
      arrive();
      const kind = random.chance(rates[0] / rate) ? 0 : 1;
      stretches.control(0, gap * rate - 1);
      stretches.control(2, kind - rates[1] / rate);
      const serviceUs = random.exponential(MICROS_PER_SECOND);
      lines[kind].push({ kind, arrivedUs: time.nowUs, serviceUs, leftUs: serviceUs });
      serve();
    });
  }

  arrive();
  while (!stretches.isFull) time.step(Infinity);
  return stretches.outcome();
}

/** First in, first out; the one that was interrupted comes before the others. */
class Line {
  #jobs: Job[] = [];
  #first = 0;
  #interrupted: Job | null = null;

  get size(): number {
    return this.#jobs.length - this.#first + (this.#interrupted === null ? 0 : 1);
  }

  push(job: Job): void {
    this.#jobs.push(job);
  }

  putBack(job: Job): void {
    this.#interrupted = job;
  }

  shift(): Job | null {
    const interrupted = this.#interrupted;
    if (interrupted !== null) {
      this.#interrupted = null;
      return interrupted;
    }
    const job = this.#jobs[this.#first];
    if (job === undefined) return null;
    // What is gone is cut off when it is half of the list.
    if (++this.#first * 2 > this.#jobs.length) {
      this.#jobs = this.#jobs.slice(this.#first);
      this.#first = 0;
    }
    return job;
  }
}
