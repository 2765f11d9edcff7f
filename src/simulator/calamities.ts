import type { SupervisorEvent } from "../core/events.ts";
import { type Micros, MICROS_PER_MILLI, seconds } from "../core/units.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { VirtualWorker } from "./worker.ts";

const CALAMITIES = [
  "worker_crash",
  "silent_crash",
  "worker_drain",
  "foreign_load",
] as const satisfies Fault[];

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
    for (let count = this.#random.between(0, 2); count > 0; count--) {
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
        worker.drain();
        if (!worker.spec.isRemote) this.#heartbeats.report(worker);
        return this.#stopWhenIdle(worker);
      case "foreign_load":
        worker.foreignSessions = this.#random.between(1, worker.spec.models[0]!.slots);
        this.#time.after(this.#random.exponential(seconds(10)), () => {
          worker.foreignSessions = 0;
        });
    }
  }

  #stopWhenIdle(worker: VirtualWorker): void {
    if (worker.state !== "draining") return;
    if (worker.running > 0) {
      this.#time.after(seconds(0.1), () => this.#stopWhenIdle(worker));
      return;
    }
    worker.crash("refusing", null);
    this.#leave(worker, "deregistered");
    this.#restartLater(worker);
  }

  #leave(worker: VirtualWorker, reason: string): void {
    this.#time.after(this.#network.delayUs(), () => {
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
