import { Random } from "../../../src/core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { Histogram } from "../../../src/simulator/statistics/histogram.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import type { Draw } from "../../../src/simulator/workloads/synthetic/draws.ts";
import { CoreDesk } from "./core-desk.ts";
import type { Desk, Job } from "./job.ts";
import { type LawName, lawNamed, surplusCumulants } from "./law.ts";
import { LeanDesk } from "./lean-desk.ts";
import type { Batch, Figures, Outcome } from "./outcome.ts";

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

const BATCHES = 10;
const WARM_UP_SHARE = 0.05;
/** Lengths of excursions, in multiples of 1/(1 − ρ)² jobs, in which a line forgets what it was. */
const EXCURSIONS = [1, 4];
const LOAD_OF_MEMORY_MAX = 0.98;
/** What is this many lengths ago has no weight. */
const FORGOTTEN_LENGTHS = 12;
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
    this.#tally = new Tally({
      ...options,
      ...chance,
      rate: this.#rate,
      warmUpShare: isStationary ? 0 : WARM_UP_SHARE,
    });
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

/** Adds up what is measured, stretch by stretch. */
class Tally {
  readonly #options: LineStationOptions;
  readonly #rate: number;
  readonly #perBatch: number;
  readonly #skipped: number;
  readonly #times = new Histogram();
  readonly #waits = new Histogram();
  readonly #batchTimes = new Histogram();
  readonly #batchWaits = new Histogram();
  readonly #excursions: readonly Excursions[];
  readonly #levels: Float64Array;
  readonly #batches: Batch[] = [];
  #sums: Sums;
  #started = 0;
  #jobs = 0;
  #changedUs = 0;

  constructor(options: LineStationOptions & { rate: number; warmUpShare: number; random: Random }) {
    const { random, requests, rate, warmUpShare, room = 0, floor = null, rates, law, servers } = options;
    this.#options = options;
    const memory = 1 / (1 - Math.min(rate / servers, LOAD_OF_MEMORY_MAX)) ** 2;
    const service = lawNamed(law);
    const cumulants = surplusCumulants(law);
    const draw = (): number => service(random) - random.exponential(1);
    this.#excursions = EXCURSIONS.map((share) => new Excursions(share * memory + 1, cumulants, draw));
    this.#rate = rate;
    this.#perBatch = Math.ceil(requests / BATCHES);
    this.#skipped = Math.floor(requests * warmUpShare);
    this.#levels = new Float64Array(floor === null ? 0 : room - floor + 1);
    this.#sums = new Sums(rates.length, 0);
  }

  get isFull(): boolean {
    return this.#batches.length === BATCHES;
  }

  arrived(job: Job, isLost: boolean): void {
    this.#sums.arrivals++;
    this.#sums.gapsUs += job.gapUs;
    const surplus = (job.serviceUs - job.gapUs * this.#rate) / MICROS_PER_SECOND;
    for (const excursions of this.#excursions) excursions.add(surplus);
    if (!isLost) return;
    this.#sums.lost++;
    this.#next(job.arrivedUs);
  }

  changed(jobs: number, nowUs: Micros): void {
    const spentUs = nowUs - this.#changedUs;
    this.#sums.areaUs += this.#jobs * spentUs;
    const level = this.#jobs - (this.#options.floor ?? 0);
    if (level >= 0 && level < this.#levels.length) this.#levels[level]! += spentUs;
    this.#jobs = jobs;
    this.#changedUs = nowUs;
  }

  started(job: Job, nowUs: Micros): void {
    if (!job.isMeasured) return;
    const waitUs = nowUs - job.arrivedUs;
    const sums = this.#sums;
    sums.served++;
    sums.kinds[job.kind]!++;
    sums.waitsUs[job.kind]! += waitUs;
    sums.servicesUs[job.kind]! += job.serviceUs;
    if (waitUs > 0) sums.waited++;
    if (this.#started >= this.#skipped) {
      const timeUs = Math.round(waitUs + job.serviceUs);
      this.#waits.add(waitUs);
      this.#batchWaits.add(waitUs);
      this.#times.add(timeUs);
      this.#batchTimes.add(timeUs);
    }
    this.#next(nowUs);
  }

  /** One more job has been looked at. */
  #next(nowUs: Micros): void {
    this.#started++;
    const counted = this.#started - this.#skipped;
    if (counted > 0 && counted % this.#perBatch !== 0) return;
    if (counted < 0) return;
    this.changed(this.#jobs, nowUs);
    const excursions = this.#excursions.flatMap((each) => each.take());
    if (counted === 0) {
      this.#levels.fill(0);
    } else {
      const { figures, controls } = this.#sums.batch(this.#rate, nowUs);
      Object.assign(figures, quantilesOf(this.#batchTimes, this.#batchWaits));
      this.#batches.push({ figures, controls: [...controls, ...excursions] });
    }
    this.#batchTimes.clear();
    this.#batchWaits.clear();
    this.#sums = new Sums(this.#options.rates.length, nowUs);
  }

  outcome(): Outcome {
    const total = this.#levels.reduce((sum, share) => sum + share, 0);
    const levels = Array.from(this.#levels, (us, i) => [
      `level${i + (this.#options.floor ?? 0)}`,
      us / total,
    ]);
    return {
      batches: this.#batches,
      whole: {
        ...quantilesOf(this.#times, this.#waits),
        ...Object.fromEntries(levels),
      },
      requests: this.#started,
    };
  }
}

class Sums {
  arrivals = 0;
  gapsUs = 0;
  lost = 0;
  served = 0;
  waited = 0;
  areaUs = 0;
  readonly kinds: Float64Array;
  readonly waitsUs: Float64Array;
  readonly servicesUs: Float64Array;
  readonly #sinceUs: Micros;

  constructor(kinds: number, sinceUs: Micros) {
    this.kinds = new Float64Array(kinds);
    this.waitsUs = new Float64Array(kinds);
    this.servicesUs = new Float64Array(kinds);
    this.#sinceUs = sinceUs;
  }

  batch(rate: number, nowUs: Micros): Batch {
    const [waitsUs, servicesUs] = [totalOf(this.waitsUs), totalOf(this.servicesUs)];
    const figures: Figures = {
      W: secondsEach(waitsUs, this.served),
      T: secondsEach(waitsUs + servicesUs, this.served),
      N: this.areaUs / (nowUs - this.#sinceUs),
      wait: this.waited / this.served,
      lost: this.lost / this.arrivals,
    };
    for (const [kind, jobs] of this.kinds.entries()) {
      figures[`W${kind}`] = secondsEach(this.waitsUs[kind]!, jobs);
      figures[`T${kind}`] = secondsEach(this.waitsUs[kind]! + this.servicesUs[kind]!, jobs);
    }
    const controls = [
      secondsEach(this.gapsUs, this.arrivals) * rate - 1,
      secondsEach(servicesUs, this.served) - 1,
    ];
    return { figures, controls };
  }
}

/**
 * How far the work that arrives runs ahead of the time that passes: X ← a·X + (service − gap·λ), with each job. Long lines come
 * from such excursions, so what a run had of them more or less than it should explains much of what its figures are off. What it
 * should have is known: services and gaps are independent, so the n-th cumulant of X is that of (service − gap·λ) over 1 − a^n.
 */
class Excursions {
  readonly #keep: number;
  readonly #moments: readonly [number, number, number];
  #ahead = 0;
  #jobs = 0;
  #sums: [number, number, number] = [0, 0, 0];

  /** Remembers so many jobs. X begins in its stationary law, reached by `draw`s of the same surplus. */
  constructor(length: number, cumulants: readonly [number, number, number], draw: () => number) {
    this.#keep = 1 - 1 / length;
    const [k2, k3, k4] = cumulants.map((k, i) => k / (1 - this.#keep ** (i + 2))) as [number, number, number];
    this.#moments = [k2, k3, k4 + 3 * k2 ** 2];
    for (let i = 0; i < FORGOTTEN_LENGTHS * length; i++) this.#ahead = this.#keep * this.#ahead + draw();
  }

  add(surplus: number): void {
    const ahead = this.#keep * this.#ahead + surplus;
    const square = ahead * ahead;
    this.#ahead = ahead;
    this.#sums[0] += square;
    this.#sums[1] += square * ahead;
    this.#sums[2] += square * square;
    this.#jobs++;
  }

  /** Mean second, third and fourth power since the last call, less what they should be, in units of the variance. */
  take(): number[] {
    const unit = Math.sqrt(this.#moments[0]);
    const off = this.#sums.map(
      (sum, i) => (sum / Math.max(1, this.#jobs) - this.#moments[i]!) / unit ** (i + 2),
    );
    this.#sums = [0, 0, 0];
    this.#jobs = 0;
    return off;
  }
}

function quantilesOf(times: Histogram, waits: Histogram): Figures {
  return {
    T_p50: inSeconds(times.quantile(0.5)),
    T_p99: inSeconds(times.quantile(0.99)),
    W_p99: inSeconds(waits.quantile(0.99)),
  };
}

function inSeconds(us: number): number {
  return us / MICROS_PER_SECOND;
}

function secondsEach(us: number, jobs: number): number {
  return us / jobs / MICROS_PER_SECOND;
}

function totalOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
