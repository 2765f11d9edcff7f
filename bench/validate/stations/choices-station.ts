import { Random } from "../../../src/core/random.ts";
import type { Packet } from "../../../src/core/request.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { choicesTail } from "../../../src/simulator/queueing-theory/choices.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import { CoreFleet } from "./core-fleet.ts";
import type { Outcome } from "./outcome.ts";

const MODEL = "station";
const UNLIMITED = 1e9;
const BATCHES = 10;
/** Levels of which the share of servers is measured. */
const LEVELS = 6;
const LEVELS_MAX = 10_000;
/** How long surpluses are remembered, in multiples of 1/(1 − λ). */
const MEMORIES = [0.1, 0.5, 2];

export interface ChoicesStationOptions {
  seed: number;
  /** Whether the core's placement chooses, with the profile `random` or `power-of-two`, or the station itself. */
  through: "core" | "lean";
  servers: number;
  /** Arrivals a second for each server. */
  rate: number;
  choices: number;
  /** Whether it may look at the same server twice, as the figures for few servers have it; the core never does. */
  mayRepeat: boolean;
  /** In multiples of the mean service time. */
  seconds: number;
  warmUpSeconds: number;
}

/**
 * Servers with a line each; an arrival looks at some of them, drawn at random, and joins the shortest line. Begins with
 * lines as long as the law for infinitely many servers has them. Figures, of which all are means over time: `T` by Little's law, N/λ,
 * and `s1` … `s6`, the share of servers with at least so many jobs.
 */
export function runChoicesStation(options: ChoicesStationOptions): Outcome {
  return new ChoicesStation(options).run();
}

class ChoicesStation {
  readonly #options: ChoicesStationOptions;
  readonly #random: Random;
  readonly #time = new VirtualTime(0);
  readonly #fleet: CoreFleet | null;
  readonly #lines: Int32Array;
  /** Packets at each server in the order they came; without the core nothing is known of them but how many there are. */
  readonly #packets: Packet[][];
  /** How many servers have at least so many jobs, and the sum of that over time. */
  readonly #atLeast = new Int32Array(LEVELS + 1);
  readonly #areas = new Float64Array(LEVELS + 1);
  readonly #ends: (() => void)[];
  readonly #onArrival = (): void => this.#arrived();
  readonly #surpluses: readonly Surplus[];
  #jobs = 0;
  #arrivedUs = 0;
  #jobsArea = 0;
  #changedUs = 0;
  #arrivals = 0;

  constructor(options: ChoicesStationOptions) {
    const { seed, servers, through, choices, rate } = options;
    this.#options = options;
    this.#random = new Random(seed);
    const profile = choices === 1 ? "random" : "power-of-two";
    this.#fleet =
      through === "core"
        ? new CoreFleet({
            profile,
            models: [MODEL],
            workers: servers,
            slots: UNLIMITED,
            seed: seed + 2 ** 32,
          })
        : null;
    this.#surpluses = MEMORIES.map((share) => new Surplus((share / (1 - rate)) * MICROS_PER_SECOND));
    this.#lines = new Int32Array(servers);
    this.#packets = this.#fleet === null ? [] : Array.from(this.#lines, () => []);
    this.#ends = Array.from(this.#lines, (_, server) => () => this.#ended(server));
    if (this.#fleet !== null) return;
    for (let server = 0; server < servers; server++) {
      const at = this.#random.fraction();
      for (let k = 1; k < LEVELS_MAX && at < choicesTail(rate, choices, k); k++) this.#join(server);
    }
  }

  run(): Outcome {
    const { seconds, warmUpSeconds, rate, servers } = this.#options;
    this.#keepArriving();
    this.#runFor(warmUpSeconds);
    const batches: Outcome["batches"] = [];
    for (let batch = 0; batch < BATCHES; batch++) {
      this.#areas.fill(0);
      this.#jobsArea = 0;
      for (const surplus of this.#surpluses) surplus.take();
      const arrivalsBefore = this.#arrivals;
      this.#runFor(seconds / BATCHES);
      const span = (seconds / BATCHES) * MICROS_PER_SECOND * servers;
      const figures: Record<string, number> = { T: this.#jobsArea / span / rate };
      for (let k = 1; k <= LEVELS; k++) figures[`s${k}`] = this.#areas[k]! / span;
      const expected = (rate * servers * seconds) / BATCHES;
      const excess = (this.#arrivals - arrivalsBefore) / expected - 1;
      const controls = [excess, ...this.#surpluses.map((surplus) => surplus.take() / span)];
      batches.push({ figures, controls });
    }
    return { batches, whole: {}, requests: this.#arrivals };
  }

  #runFor(seconds: number): void {
    const untilUs = this.#changedUs + seconds * MICROS_PER_SECOND;
    while (this.#time.step(untilUs));
    this.#spend(untilUs);
  }

  #keepArriving(): void {
    const { rate, servers } = this.#options;
    this.#time.after(this.#random.exponential(MICROS_PER_SECOND / rate / servers), this.#onArrival);
  }

  #arrived(): void {
    this.#keepArriving();
    this.#arrivals++;
    const { nowUs } = this.#time;
    const { rate, servers } = this.#options;
    this.#spend(nowUs);
    this.#add(1 - ((nowUs - this.#arrivedUs) * rate * servers) / MICROS_PER_SECOND);
    this.#arrivedUs = nowUs;
    if (this.#fleet === null) return this.#join(this.#shortest());
    const packet = this.#fleet.packet({ model: MODEL, band: null, nowUs });
    const server = Number(this.#fleet.dispatch(packet, nowUs)!.worker.id.slice(MODEL.length + 1));
    this.#packets[server]!.push(packet);
    this.#join(server);
  }

  /** Of some servers. */
  #shortest(): number {
    const { servers, choices, mayRepeat } = this.#options;
    const seen: number[] = [];
    while (seen.length < choices) {
      const server = this.#random.between(0, servers - 1);
      if (mayRepeat || !seen.includes(server)) seen.push(server);
    }
    return seen.reduce((best, server) => (this.#lines[server]! < this.#lines[best]! ? server : best));
  }

  #join(server: number): void {
    this.#spend(this.#time.nowUs);
    this.#jobs++;
    const length = ++this.#lines[server]!;
    if (length <= LEVELS) this.#atLeast[length]!++;
    if (length === 1) this.#serve(server);
  }

  #serve(server: number): void {
    const service = this.#random.exponential(1);
    this.#add(service - 1);
    this.#time.after(service * MICROS_PER_SECOND, this.#ends[server]!);
  }

  /** More arrivals, or longer services, than there should be: jobs there will be too many for a while. */
  #add(surplus: number): void {
    for (const each of this.#surpluses) each.add(surplus);
  }

  #ended(server: number): void {
    this.#spend(this.#time.nowUs);
    this.#jobs--;
    const length = this.#lines[server]!--;
    if (length <= LEVELS) this.#atLeast[length]!--;
    if (length > 1) this.#serve(server);
    if (this.#fleet !== null) this.#fleet.release(this.#packets[server]!.shift()!, this.#time.nowUs);
  }

  #spend(untilUs: number): void {
    const spentUs = untilUs - this.#changedUs;
    this.#changedUs = untilUs;
    this.#jobsArea += this.#jobs * spentUs;
    for (const surplus of this.#surpluses) surplus.spend(spentUs);
    for (let k = 1; k <= LEVELS; k++) this.#areas[k]! += this.#atLeast[k]! * spentUs;
  }
}

/** Surpluses that are forgotten by and by. Each is 0 on average, so their sum over time is, too. */
class Surplus {
  readonly #memoryUs: number;
  #now = 0;
  #area = 0;

  constructor(memoryUs: number) {
    this.#memoryUs = memoryUs;
  }

  add(surplus: number): void {
    this.#now += surplus;
  }

  /**
   * The integral is exact: when the next thing happens depends on the services that are in here, so no step may stand for
   * more than its time.
   */
  spend(spentUs: Micros): void {
    const left = this.#now * Math.exp(-spentUs / this.#memoryUs);
    this.#area += (this.#now - left) * this.#memoryUs;
    this.#now = left;
  }

  /** Its sum over time since the last call. */
  take(): number {
    const area = this.#area;
    this.#area = 0;
    return area;
  }
}
