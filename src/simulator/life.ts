import type { CoreConfig } from "../core/config.ts";
import type { LedgerRestored, SupervisorEvent } from "../core/events.ts";
import type { Inspection } from "../core/inspection.ts";
import type { Micros } from "../core/units.ts";
import { GroupCommit } from "../ledger/group-commit.ts";
import { createLoop, type Loop } from "../supervisor/loop.ts";
import type { ObserverPort, TimerPort } from "../supervisor/ports.ts";
import type { Clients } from "./clients.ts";
import type { VirtualDisk } from "./disk.ts";
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
  disk: VirtualDisk;
  saw: (sighting: Sighting) => void;
}

/**
 * One life of the supervisor: the loop and the ledger of production in a virtual process. It knows
 * what the disk holds, and nothing else of those before it.
 */
export class Life {
  readonly number: number;
  readonly process: VirtualProcess;
  readonly endpoints: VirtualEndpoints;
  readonly #loop: Loop;
  readonly #time: VirtualTime;
  readonly #clockErrorUs: Micros;

  constructor(
    identity: { number: number; process: VirtualProcess; observer: ObserverPort; clockErrorUs: Micros },
    surroundings: Surroundings,
  ) {
    const { number, process, observer, clockErrorUs } = identity;
    const { config, time, faults, network, workers, clients, heartbeats, disk, saw } = surroundings;
    const submit = (event: SupervisorEvent): void => this.submit(event);
    this.number = number;
    this.process = process;
    this.#time = time;
    this.#clockErrorUs = clockErrorUs;
    this.endpoints = new VirtualEndpoints({
      workers,
      faults,
      ends: { life: number, time, network, submit, saw },
      wishOf: (request) => clients.wishOf(request),
    });
    this.#loop = createLoop(config, () => ({
      timer: this.#timer(),
      ledger: mortal(new GroupCommit(disk.open(process), submit), process),
      endpoints: mortal(this.endpoints, process),
      clients: mortal(clients, process),
      workers: mortal(heartbeats, process),
      observer: { ...observer, settled: (effect) => this.#settled(effect, observer, saw) },
    }));
  }

  /** Its clock. */
  get nowUs(): Micros {
    return this.#time.nowUs - this.#clockErrorUs;
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
        callOff = this.process.after(atUs - this.nowUs, () => this.#loop.submit({ kind: "timer_fired" }));
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
