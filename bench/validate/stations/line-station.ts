import { Random } from "../../../src/core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import type { Draw } from "../../../src/simulator/workloads/synthetic/draws.ts";
import { CoreDesk } from "./core-desk.ts";
import type { Desk, Job } from "./job.ts";
import { type LawName, lawNamed } from "./law.ts";
import { LeanDesk } from "./lean-desk.ts";
import type { Outcome } from "./outcome.ts";
import { Tally, WARM_UP_SHARE } from "./tally.ts";

export interface LineStationOptions {
  seed: number;
  /** Whether jobs go through the core's queue and placement, or through the leanest line there can be. */
  through: "core" | "lean";
  servers: number;
  /** Arrivals a second of each class, the most urgent first. */
  rates: readonly number[];
  law: LawName;
  /** Jobs that are measured. */
  requests: number;
  /** Jobs that may be there, waiting ones included; an arrival that finds as many is lost. */
  room?: number;
  /** For a look at a stretch of levels alone: at this many jobs one that ends begins again instead. */
  floor?: number;
}

/** Where the law of the number of jobs at the start ends. */
const NUMBER_MAX = 10_000;

/**
 * One line, c servers, mean service time 1 s: M/M/c, M/G/1, with limits and classes. Arrivals and ends happen in the
 * simulator's virtual time. With exponential service and one class the run begins in the stationary state; otherwise
 * empty, and its first twentieth is not counted.
 *
 * Figures: `T`, `W` (and `T0`, `T1`, `W0`, `W1` of classes) in seconds, `wait` the share that has to wait, `N`, `lost` the share that is lost;
 * over the whole run the quantiles `T_p50`, `T_p99`, `W_p99`, and `level<n>`, the share of time with n jobs, where there is a floor.
 */
export function runLineStation(options: LineStationOptions): Outcome {
  return new LineStation(options).run();
}

class LineStation {
  readonly #time = new VirtualTime(0);
  readonly #options: LineStationOptions;
  readonly #desk: Desk;
  readonly #random: Random;
  readonly #service: Draw;
  readonly #rate: number;
  readonly #floor: number;
  readonly #tally: Tally;
  #jobs = 0;
  #lastArrivalUs = 0;
  readonly #onArrival = (): void => this.#arrived();

  constructor(options: LineStationOptions) {
    const { seed, through, servers, rates, law, room = Infinity, floor = 0 } = options;
    this.#options = options;
    this.#random = new Random(seed);
    const parts = { servers, kinds: rates.length, room, seed };
    this.#desk = through === "core" ? new CoreDesk(parts) : new LeanDesk(parts);
    this.#service = lawNamed(law);
    this.#rate = rates.reduce((sum, rate) => sum + rate);
    this.#floor = floor;
    const isStationary = law === "exponential" && rates.length === 1;
    const chance = { random: this.#random.fork() };
    this.#tally = new Tally({ ...options, ...chance, warmUpShare: isStationary ? 0 : WARM_UP_SHARE });
    if (isStationary) for (let i = this.#numberAtStart(); i > 0; i--) this.#add(this.#job(false));
  }

  run(): Outcome {
    this.#keepArriving();
    while (!this.#tally.isFull) this.#time.step(Infinity);
    return this.#tally.outcome();
  }

  #keepArriving(): void {
    this.#time.after(this.#random.exponential(MICROS_PER_SECOND / this.#rate), this.#onArrival);
  }

  #arrived(): void {
    this.#keepArriving();
    const job = this.#job(true);
    this.#lastArrivalUs = this.#time.nowUs;
    const isLost = this.#desk.isFull();
    this.#tally.arrived(job, isLost);
    if (!isLost) this.#add(job);
  }

  #job(isMeasured: boolean): Job {
    const { rates } = this.#options;
    const nowUs = this.#time.nowUs;
    const kind = rates.length > 1 && this.#random.fraction() * this.#rate >= rates[0]! ? 1 : 0;
    const serviceUs = this.#service(this.#random) * MICROS_PER_SECOND;
    return {
      kind,
      arrivedUs: nowUs,
      serviceUs,
      gapUs: nowUs - this.#lastArrivalUs,
      isMeasured,
      packet: null,
    };
  }

  #add(job: Job): void {
    this.#tally.changed(++this.#jobs, this.#time.nowUs);
    this.#desk.add(job, this.#time.nowUs);
    this.#serve();
  }

  #serve(): void {
    const { nowUs } = this.#time;
    for (let job = this.#desk.next(nowUs); job !== null; job = this.#desk.next(nowUs)) {
      this.#tally.started(job, nowUs);
      this.#run(job, job.serviceUs);
    }
  }

  #run(job: Job, serviceUs: Micros): void {
    this.#time.after(serviceUs, () => {
      // Exponential service has no memory: beginning again is the same as going on.
      if (this.#jobs === this.#floor && this.#floor > 0) {
        return this.#run(job, this.#service(this.#random) * MICROS_PER_SECOND);
      }
      this.#tally.changed(--this.#jobs, this.#time.nowUs);
      this.#desk.done(job, this.#time.nowUs);
      this.#serve();
    });
  }

  /** From the law of the number of jobs, π(n) ∝ λ/min(n, c) · π(n − 1), within floor and room. */
  #numberAtStart(): number {
    const { servers } = this.#options;
    const shares = [1];
    const { room = Infinity } = this.#options;
    for (let n = this.#floor + 1; n <= Math.min(room, this.#floor + NUMBER_MAX); n++) {
      shares.push((shares.at(-1)! * this.#rate) / Math.min(n, servers));
    }
    let at = this.#random.fraction() * shares.reduce((sum, share) => sum + share);
    return (
      this.#floor +
      Math.max(
        0,
        shares.findIndex((share) => (at -= share) < 0),
      )
    );
  }
}
