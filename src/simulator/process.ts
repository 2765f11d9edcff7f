import type { Micros } from "../core/units.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Where a process can be killed, besides at any time. */
export type CrashPoint =
  | "crash_before_write"
  | "crash_before_sync"
  | "crash_before_ack"
  | "crash_between_effects"
  | "crash_after_ask"
  | "crash_before_answer";

/** Those that a supervisor comes to which has the ledger to itself. */
export const CRASH_POINTS: readonly CrashPoint[] = [
  "crash_before_write",
  "crash_before_sync",
  "crash_before_ack",
  "crash_between_effects",
];

/** Kills a process when it comes to that point after having passed it so many times, and counts as that fault. */
export interface Trap {
  point: CrashPoint;
  passes: number;
  fault: Fault;
}

/** Unwinds whatever a process was doing when it was killed. */
class Killed extends Error {}

/**
 * One life of the supervisor's process. All that it does goes through `run` or `after`, so that
 * nothing of it happens any more once it has been killed, not even the rest of what it was doing.
 */
export class VirtualProcess {
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #onKilled: () => void;
  #trap: Trap | null = null;
  #isRunning = false;
  #isOver = false;

  constructor(options: { time: VirtualTime; faults: FaultPlan; onKilled: () => void }) {
    this.#time = options.time;
    this.#faults = options.faults;
    this.#onKilled = options.onKilled;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  setTrap(trap: Trap): void {
    this.#trap = { ...trap };
  }

  /** It has come to that point; does not return when it is killed there. */
  pass(point: CrashPoint): void {
    if (this.isTrapped(point)) this.kill();
  }

  /** As `pass`, for a point at which it is not killed on the spot. */
  isTrapped(point: CrashPoint): boolean {
    const trap = this.#trap;
    if (trap?.point !== point || trap.passes-- > 0) return false;
    this.#trap = null;
    return this.#faults.strikes(trap.fault, 1);
  }

  /** Ends it; whoever does that from inside does not return. */
  kill(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isRunning) throw new Killed();
    this.#onKilled();
  }

  /** Something happens to the process. */
  run(act: () => void): void {
    if (this.#isOver) return;
    if (this.#isRunning) return act();
    this.#isRunning = true;
    try {
      act();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.#onKilled();
    } finally {
      this.#isRunning = false;
    }
  }

  /** Something will, unless it has ended by then. Returns the way to call it off. */
  after(delayUs: Micros, act: () => void): () => void {
    return this.#time.after(delayUs, () => this.run(act));
  }
}

/** A port that a process uses: between any two calls it may be killed. */
export function mortal<Port extends object>(port: Port, process: VirtualProcess): Port {
  return new Proxy(port, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function") return method;
      return (...given: unknown[]): unknown => {
        process.pass("crash_between_effects");
        return method.apply(target, given) as unknown;
      };
    },
  });
}
