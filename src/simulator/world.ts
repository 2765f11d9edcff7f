import type { SupervisorEvent } from "../core/events.ts";
import { type Micros, seconds } from "../core/units.ts";
import { createLoop, type Loop } from "../supervisor/loop.ts";
import type { ObserverPort, TimerPort } from "../supervisor/ports.ts";
import { Calamities } from "./calamities.ts";
import type { EndOfWorld } from "./checkers/checker.ts";
import { VirtualClients } from "./clients.ts";
import { VirtualDisk } from "./disk.ts";
import { VirtualEndpoints } from "./endpoints.ts";
import type { FaultPlan } from "./faults.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { VirtualWorker } from "./worker.ts";

/** After a drain, time for the last cancellations to arrive and for late events to find nothing. */
const AFTERMATH_US: Micros = seconds(60);

/** Numbers set aside for the tokens of each worker. */
const TOKENS_PER_WORKER = 2 ** 32;

/** Who looks on: the recorder, the hash, the checkers. */
export interface Onlooker extends ObserverPort {
  sighting(sighting: Sighting): void;
}

/**
 * The loop of production in a world that is made up: clients, network, workers, disk and
 * clock stand behind its ports, and nothing else is different.
 */
export class World {
  readonly loop: Loop;
  readonly #scenario: Scenario;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #workers: ReadonlyMap<string, VirtualWorker>;
  readonly #clients: VirtualClients;
  readonly #heartbeats: Heartbeats;
  readonly #calamities: Calamities;
  #isStopping = false;
  #isDrained = false;

  constructor(options: {
    scenario: Scenario;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    onlooker: Onlooker;
  }) {
    const { scenario, time, faults, random, onlooker } = options;
    this.#scenario = scenario;
    this.#time = time;
    this.#faults = faults;
    this.#random = random;

    const submit = (event: SupervisorEvent): void => this.loop.submit(event);
    const saw = (sighting: Sighting): void => onlooker.sighting(sighting);
    const parts = (): { time: VirtualTime; faults: FaultPlan; random: Random } => {
      return { time, faults, random: random.fork() };
    };
    const network = new Network({ ...parts(), meanUs: scenario.network.delayUs });
    const workers = [...scenario.workers, ...scenario.remotes].map((spec, index) => {
      return new VirtualWorker({ ...parts(), spec, firstToken: index * TOKENS_PER_WORKER });
    });
    this.#workers = new Map(workers.map((worker) => [worker.spec.id, worker]));
    const endpoints = new VirtualEndpoints({
      workers: this.#workers,
      faults,
      ends: { time, network, submit, saw },
      wishOf: (request) => this.#clients.wishOf(request),
    });
    this.#clients = new VirtualClients({ ...parts(), load: scenario.load, endpoints, submit, saw });
    this.#heartbeats = new Heartbeats({ ...parts(), network, submit });
    this.#calamities = new Calamities({ ...parts(), network, heartbeats: this.#heartbeats, submit });

    this.loop = createLoop(scenario.config, () => ({
      timer: virtualTimer(time, () => submit({ kind: "timer_fired" })),
      ledger: new VirtualDisk({ time, faults, submit, syncUs: scenario.disk.syncUs }),
      endpoints,
      clients: this.#clients,
      workers: this.#heartbeats,
      observer: {
        event: (nowUs, event) => onlooker.event(nowUs, event),
        effects: (effects) => onlooker.effects(effects),
        workerChanged: (effect) => onlooker.workerChanged(effect),
        settled: (effect) => {
          const { request } = effect.record;
          endpoints.forget(request);
          saw({ kind: "request_over", request });
          onlooker.settled(effect);
        },
        drained: () => {
          this.#isDrained = true;
          onlooker.drained();
        },
      },
    }));
  }

  /** What is left now that all should be over. */
  remains(): EndOfWorld {
    return {
      nowUs: this.#time.nowUs,
      inspection: this.loop.inspect(),
      isDrained: this.#isDrained,
      running: Array.from(this.#workers.values(), ({ attempts }) => attempts).flat(),
    };
  }

  /** Lets time pass until everything is over, or `goesOn` says that enough has been seen. */
  run(goesOn: () => boolean): void {
    this.#begin();
    while (goesOn() && !this.#clients.areDone) this.#time.step(Infinity);
    const { totalUs, drainUs } = this.#scenario.config.timeouts;
    this.#time.after(totalUs * this.#random.fraction(), () => this.#stop());
    const endUs = this.#time.nowUs + totalUs + drainUs + AFTERMATH_US;
    while (goesOn() && this.#time.step(endUs));
  }

  #begin(): void {
    const { load } = this.#scenario;
    const spanUs = load.requests * load.meanGapUs;
    for (const worker of this.#workers.values()) {
      if (!worker.spec.isRemote) this.#heartbeats.keepReporting(worker);
      this.#calamities.arrange(worker, spanUs);
    }
    this.#clients.keepArriving();
    if (this.#faults.strikes("early_stop", 0.3)) {
      this.#time.after(spanUs * this.#random.fraction(), () => this.#stop());
    }
  }

  #stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.loop.submit({ kind: "drain_asked" });
  }
}

function virtualTimer(time: VirtualTime, fire: () => void): TimerPort {
  let callOff: (() => void) | null = null;
  return {
    nowUs: () => time.nowUs,
    wake(atUs) {
      callOff?.();
      callOff = time.at(atUs, fire);
    },
  };
}
