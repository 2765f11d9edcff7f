import type { CoreConfig } from "../core/config.ts";
import type { LedgerRestored, SupervisorEvent } from "../core/events.ts";
import type { Inspection } from "../core/inspection.ts";
import type { Micros } from "../core/units.ts";
import { createLoop, type Loop, type Submit } from "../supervisor/loop.ts";
import type { LedgerPort, ObserverPort, TimerPort } from "../supervisor/ports.ts";
import type { Clients } from "./clients.ts";
import type { VirtualClock } from "./clock.ts";
import { VirtualEndpoints } from "./endpoints.ts";
import type { FaultPlan } from "./faults.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Network } from "./network.ts";
import { mortal, type VirtualProcess } from "./process.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { VirtualWorker } from "./worker.ts";

/** What outlasts a life of the supervisor. */
export interface Surroundings {
  config: CoreConfig;
  time: VirtualTime;
  faults: FaultPlan;
  network: Network;
  workers: Map<string, VirtualWorker>;
  clients: Clients;
  heartbeats: Heartbeats;
  saw: (sighting: Sighting) => void;
}

/** What one life has to itself. */
export interface Identity {
  /** No other life has it. */
  number: number;
  process: VirtualProcess;
  clock: VirtualClock;
  observer: ObserverPort;
  openLedger: (submit: Submit) => LedgerPort;
}

/**
 * One life of a supervisor: the loop and the ledger of production in a virtual process. It knows
 * what the ledger says when it begins, and nothing else of those before it.
 */
export class Life {
  readonly number: number;
  readonly process: VirtualProcess;
  readonly endpoints: VirtualEndpoints;
  readonly #loop: Loop;
  readonly #clock: VirtualClock;

  constructor(identity: Identity, surroundings: Surroundings) {
    const { number, process, clock, observer, openLedger } = identity;
    const { config, time, faults, network, workers, clients, heartbeats, saw } = surroundings;
    const submit = (event: SupervisorEvent): void => this.submit(event);
    this.number = number;
    this.process = process;
    this.#clock = clock;
    this.endpoints = new VirtualEndpoints({
      workers,
      faults,
      ends: { life: number, time, network, submit, saw },
      wishOf: (request) => clients.wishOf(request),
    });
    this.#loop = createLoop(config, () => ({
      timer: this.#timer(),
      ledger: mortal(openLedger(submit), process),
      endpoints: mortal(this.endpoints, process),
      clients: mortal(clients.port(this), process),
      workers: mortal(heartbeats, process),
      observer: { ...observer, settled: (effect) => this.#settled(effect, observer, saw) },
    }));
  }

  /** Its clock. */
  get nowUs(): Micros {
    return this.#clock.nowUs;
  }

  /** The first event of each life. */
  begin(restored: LedgerRestored): void {
    this.submit(restored);
  }

  submit(event: SupervisorEvent): void {
    this.process.run(() => this.#loop.submit(event));
  }

  inspect(): Inspection {
    return this.#loop.inspect();
  }

  #timer(): TimerPort {
    let callOff: (() => void) | null = null;
    return {
      nowUs: () => this.nowUs,
      wake: (atUs) => {
        callOff?.();
        callOff = this.process.after(this.#clock.delayUntil(atUs), () =>
          this.#loop.submit({ kind: "timer_fired" }),
        );
      },
    };
  }

  #settled(
    effect: Parameters<ObserverPort["settled"]>[0],
    observer: ObserverPort,
    saw: (sighting: Sighting) => void,
  ): void {
    const { request } = effect.record;
    this.endpoints.forget(request);
    saw({ kind: "request_over", request });
    observer.settled(effect);
  }
}
