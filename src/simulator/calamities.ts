import type { SupervisorEvent } from "../core/events.ts";
import { type Micros, MICROS_PER_MILLI, seconds } from "../core/units.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Network } from "./network.ts";
import type { Random } from "../core/random.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { VirtualWorker } from "./worker.ts";

/** One that is listed more than once is drawn more often. */
const CALAMITIES = [
  "worker_crash",
  "worker_crash",
  "silent_crash",
  "worker_drain",
  "worker_drain",
  "worker_drain",
  "foreign_load",
  "engine_stall",
  "engine_slow",
  "partition",
] as const satisfies Fault[];

/** How often a worker that is to be drained is looked at, until it has something to do. */
const DRAIN_LOOKS = 100;

/** How long a calamity that passes may last. */
const SPAN_MS_MAX = 40_000;

/** What befalls whole workers, as opposed to single requests. */
export class Calamities {
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #network: Network;
  readonly #heartbeats: Heartbeats;
  readonly #submit: (event: SupervisorEvent) => void;

  constructor(options: {
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    network: Network;
    heartbeats: Heartbeats;
    submit: (event: SupervisorEvent) => void;
  }) {
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#network = options.network;
    this.#heartbeats = options.heartbeats;
    this.#submit = options.submit;
  }

  /** Draws what will happen to the worker, and when, while the load lasts. */
  arrange(worker: VirtualWorker, spanUs: Micros): void {
    for (let count = this.#random.between(0, 3); count > 0; count--) {
      const calamity = this.#random.pick(CALAMITIES);
      this.#time.after(this.#random.fraction() * spanUs, () => this.#befall(worker, calamity));
    }
  }

  #befall(worker: VirtualWorker, calamity: (typeof CALAMITIES)[number]): void {
    if (worker.state !== "up" || !this.#faults.strikes(calamity, 1)) return;
    switch (calamity) {
      case "worker_crash": {
        const isLate = this.#faults.strikes("late_reset", 0.5);
        worker.crash("refusing", isLate ? this.#random.between(500, 8_000) * MICROS_PER_MILLI : 0);
        if (this.#faults.strikes("exit_seen", 0.5)) this.#leave(worker, "exited");
        return this.#restartLater(worker);
      }
      case "silent_crash":
        worker.crash("silent", null);
        return this.#restartLater(worker);
      case "worker_drain":
        return this.#drainWhenBusy(worker, DRAIN_LOOKS);
      case "foreign_load":
        worker.foreignSessions = this.#random.between(1, worker.spec.models[0]!.slots);
        this.#time.after(this.#random.exponential(seconds(10)), () => {
          worker.foreignSessions = 0;
        });
        return;
      case "engine_stall":
        worker.setStuck(true);
        this.#time.after(this.#drawSpanUs(), () => worker.setStuck(false));
        return;
      case "engine_slow":
        worker.slowDown(10);
        this.#time.after(this.#drawSpanUs(), () => worker.slowDown(1));
        return;
      case "partition":
        // One that lasts longer than the dead are waited for brings back a worker with sessions of old.
        return this.#network.cutOff(worker.spec.id, this.#drawSpanUs());
    }
  }

  #drawSpanUs(): Micros {
    return this.#random.between(1_000, SPAN_MS_MAX) * MICROS_PER_MILLI;
  }

  /** What is interesting about a drain is what the worker has to do then. */
  #drainWhenBusy(worker: VirtualWorker, looks: number): void {
    if (worker.state !== "up") return;
    if (worker.isAnswering || looks === 0) return this.drain(worker, () => this.#restartLater(worker));
    this.#time.after(seconds(0.1), () => this.#drainWhenBusy(worker, looks - 1));
  }

  /** It takes nothing new, says so, and ends when nothing is left to do. */
  drain(worker: VirtualWorker, ended: () => void): void {
    worker.drain();
    if (!worker.spec.isRemote) this.#heartbeats.report(worker);
    this.#stopWhenIdle(worker, ended);
  }

  #stopWhenIdle(worker: VirtualWorker, ended: () => void): void {
    if (worker.state !== "draining") return;
    if (worker.running > 0) {
      this.#time.after(seconds(0.1), () => this.#stopWhenIdle(worker, ended));
      return;
    }
    worker.crash("refusing", null);
    this.#leave(worker, "deregistered");
    ended();
  }

  #leave(worker: VirtualWorker, reason: string): void {
    this.#time.after(this.#network.delayUs(worker.spec.id), () => {
      this.#submit({ kind: "worker_left", worker: worker.spec.id, epoch: null, reason });
    });
  }

  #restartLater(worker: VirtualWorker): void {
    if (!this.#faults.strikes("worker_restart", 0.8)) return;
    const awayUs = this.#random.pick([0, seconds(1), seconds(20)]) * this.#random.fraction();
    this.#time.after(awayUs, () => {
      worker.restart();
      if (!worker.spec.isRemote) this.#heartbeats.keepReporting(worker);
    });
  }
}
