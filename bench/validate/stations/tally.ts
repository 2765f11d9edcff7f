import type { Random } from "../../../src/core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { Histogram } from "../../../src/simulator/statistics/histogram.ts";
import { Excursions } from "./excursions.ts";
import type { Job } from "./job.ts";
import { type LawName, lawNamed, surplusCumulants } from "./law.ts";
import type { Batch, Figures, Outcome } from "./outcome.ts";

/** Stretches of a run. */
export const BATCHES = 10;
/** Of a run that begins empty. */
export const WARM_UP_SHARE = 0.05;
/** Lengths of excursions, in multiples of 1/(1 − ρ)² jobs, in which a line forgets what it was. */
const EXCURSIONS = [1, 4];
const LOAD_OF_MEMORY_MAX = 0.98;

/** What it has to know of the system: see `LineStationOptions`. */
export interface TallyOptions {
  servers: number;
  rates: readonly number[];
  law: LawName;
  requests: number;
  room?: number;
  floor?: number;
  /** Of the requests, those before the first that is measured. */
  warmUpShare: number;
  random: Random;
}

/**
 * Adds up what is measured, stretch by stretch, of jobs that are told of in the order of time. The figures are those of
 * `runLineStation`.
 */
export class Tally {
  readonly #options: TallyOptions;
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

  constructor(options: TallyOptions) {
    const { random, requests, warmUpShare, room = 0, floor = null, rates, law, servers } = options;
    this.#options = options;
    const rate = rates.reduce((sum, each) => sum + each);
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
