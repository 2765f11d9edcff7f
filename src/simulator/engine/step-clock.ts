import type { Micros } from "../../core/units.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { Run } from "./run.ts";
import type { StepNoise } from "./step-time.ts";

/** Who has steps to make. */
export interface Stepping {
  /** The run that begins now, null when there is nothing to do; `factor` is what each step's duration is multiplied with. */
  next: (beginUs: Micros, factor: (step: number) => number) => Run | null;
  /** So many more steps of the run have ended. */
  book: (run: Run, steps: number) => void;
  /** All of its steps have, and are booked. */
  ended: (run: Run) => void;
}

/**
 * When an engine's steps begin and end.
 *
 * ```
 *           wake              all else of this instant has happened
 *   idle ────────▶ waking ──────────────────────────────────────────▶ running ◀──┐ cut: ends with the step
 *    ▲               │ nothing to do                                  │    │ └───┘ that is under way
 *    └───────────────┴────────────────────────────────────────────────┘    └─────▶ the next run, at once
 * ```
 *
 * Steps are not events: `VirtualTime` knows of the end of the run under way, or of the beginning of one, and of nothing
 * else. So whoever looks at what has been done has to `catchUp` first, and whoever changes what there is to do has to
 * `cut` before and to `wake` after.
 */
export class StepClock {
  readonly #time: VirtualTime;
  readonly #noise: StepNoise;
  readonly #fraction: number;
  readonly #stepping: Stepping;
  #run: Run | null = null;
  /** Calls off what `VirtualTime` knows of; null while idle. */
  #callOff: (() => void) | null = null;
  /** That have ended, ever. */
  #steps = 0;
  #slowness = 1;
  #isStuck = false;

  /** `fraction`: see `EngineOptions`. */
  constructor(options: { time: VirtualTime; noise: StepNoise; fraction: number }, stepping: Stepping) {
    this.#time = options.time;
    this.#noise = options.noise;
    this.#fraction = options.fraction;
    this.#stepping = stepping;
  }

  /** Whether prompts fill each step of the run, so that nobody else could be begun before it ends. */
  get isFull(): boolean {
    return this.#run?.isFull === true;
  }

  /** Begins a step, if none is under way, once all that happens at this instant has happened. */
  wake(): void {
    if (this.#callOff !== null || this.#isStuck) return;
    const beginUs = Math.floor(this.#time.nowUs) + this.#fraction;
    this.#callOff = this.#time.at(beginUs, () => {
      this.#callOff = null;
      this.#begin();
    });
  }

  /** Ends the run with the step that is under way. */
  cut(): void {
    this.catchUp();
    const run = this.#run;
    if (run === null || run.left <= 1) return;
    run.cut();
    this.#callOff!();
    this.#callOff = this.#time.at(run.endUs, () => this.#ended());
  }

  /** Brings the books up to the last step that has ended. */
  catchUp(): void {
    const run = this.#run;
    if (run !== null) this.#book(run, run.advance(this.#time.nowUs));
  }

  /** Makes each further step that many times as long. */
  slowDown(factor: number): void {
    this.cut();
    this.#slowness = factor;
  }

  /** At a standstill from the next step on, or on the move again. */
  setStuck(isStuck: boolean): void {
    this.cut();
    this.#isStuck = isStuck;
    this.wake();
  }

  /** The step that is under way never ends. */
  clear(): void {
    this.catchUp();
    this.#callOff?.();
    this.#callOff = null;
    this.#run = null;
    this.#slowness = 1;
    this.#isStuck = false;
  }

  #begin(): void {
    const run = this.#isStuck ? null : this.#next();
    this.#run = run;
    if (run === null) return;
    this.#callOff = this.#time.at(run.endUs, () => this.#ended());
  }

  #next(): Run | null {
    const firstStep = this.#steps;
    const slowness = this.#slowness;
    return this.#stepping.next(this.#time.nowUs, (step) => this.#noise.factor(firstStep + step) * slowness);
  }

  #ended(): void {
    const run = this.#run!;
    this.#callOff = null;
    this.#book(run, run.advance(Infinity));
    this.#run = null;
    this.#stepping.ended(run);
    this.#begin();
  }

  #book(run: Run, steps: number): void {
    if (steps === 0) return;
    this.#steps += steps;
    this.#stepping.book(run, steps);
  }
}
