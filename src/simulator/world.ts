import type { SupervisorEvent } from "../core/events.ts";
import type { Inspection } from "../core/inspection.ts";
import { type Micros, MICROS_PER_MILLI, seconds } from "../core/units.ts";
import type { Submit } from "../supervisor/loop.ts";
import type { ObserverPort } from "../supervisor/ports.ts";
import { GroupCommit } from "../ledger/group-commit.ts";
import { Calamities } from "./calamities.ts";
import type { EndOfWorld } from "./checkers/checker.ts";
import { type Clients, VirtualClients } from "./clients.ts";
import { VirtualClock } from "./clock.ts";
import { VirtualDisk } from "./disk.ts";
import type { FaultPlan } from "./faults.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Life, type Surroundings } from "./life.ts";
import { Network } from "./network.ts";
import { Operator } from "./operator.ts";
import { CRASH_POINTS, VirtualProcess } from "./process.ts";
import type { Random } from "../core/random.ts";
import type { Scenario, WorkerSpec } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { VirtualWorker, type WorkerParts } from "./worker.ts";

/** After a drain, time for the last cancellations to arrive and for late events to find nothing. */
const AFTERMATH_US: Micros = seconds(60);

/** Numbers set aside for the tokens of each worker. */
const TOKENS_PER_WORKER = 2 ** 32;

/** Moments within a microsecond that steps of engines end at, as many as a clock of today can tell apart. */
const FRACTIONS = 1_000;

/** What every part of the world is given. */
export interface WorldParts {
  time: VirtualTime;
  faults: FaultPlan;
  random: Random;
}

/** What clients are given besides. */
export interface ClientParts extends WorldParts {
  service: () => Life | null;
  saw: (sighting: Sighting) => void;
}

/** Who looks on: the recorder, the hash, the checkers. */
export interface Onlooker extends ObserverPort {
  sighting(sighting: Sighting): void;
}

/**
 * The loop and the ledger of production in a world that is made up: clients, network, workers, disk
 * and clock stand behind their ports, and nothing else is different. The supervisor may be killed
 * and started again; everybody else lives on.
 */
export class World {
  readonly #scenario: Scenario;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #onlooker: Onlooker;
  readonly #surroundings: Surroundings;
  readonly #disk: VirtualDisk;
  readonly #calamities: Calamities;
  readonly #operator: Operator;
  readonly #newWorker: (spec: WorkerSpec) => VirtualWorker;
  #hired = 0;
  /** Null while nobody is there. */
  #life: Life | null = null;
  #lives = 0;
  #endUs: Micros = Infinity;
  #isStopping = false;
  #isDrained = false;

  constructor(options: {
    scenario: Scenario;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    onlooker: Onlooker;
    /** Others than those that the scenario's load is drawn for. */
    newClients?: (parts: ClientParts) => Clients;
    perToken?: boolean;
    /** Tokens of an attempt were read or generated, at that time. */
    served?: WorkerParts["served"];
  }) {
    const { scenario, time, faults, random, onlooker } = options;
    this.#scenario = scenario;
    this.#time = time;
    this.#faults = faults;
    this.#random = random;
    this.#onlooker = onlooker;

    const saw = (sighting: Sighting): void => onlooker.sighting(sighting);
    const parts = (): WorldParts => {
      return { time, faults, random: random.fork() };
    };
    const { config, limits, zones, load, slices, disk: spec } = scenario;
    const stateOn = (worker: string, attempt: string): boolean => {
      return this.#surroundings.workers.get(worker)?.hasState(attempt) ?? false;
    };
    const network = new Network({ ...parts(), meanUs: scenario.network.delayUs });
    const { perToken = false, served } = options;
    this.#newWorker = (hired) => {
      const index = this.#hired++;
      const more = served === undefined ? {} : { served };
      return new VirtualWorker({
        ...parts(),
        spec: hired,
        saw,
        stateOn,
        perToken,
        firstToken: index * TOKENS_PER_WORKER,
        // Never at the same instant as another one: see `EngineOptions`.
        fraction: (1 + (index % FRACTIONS)) / (FRACTIONS + 1),
        ...more,
      });
    };
    const workers = [...scenario.workers, ...scenario.remotes].map(this.#newWorker);
    const service = (): Life | null => this.#life;
    const heartbeats = new Heartbeats({
      ...parts(),
      network,
      listeners: () => [this.#listener()],
      delayUs: scenario.network.reportDelayUs,
    });
    const newClients = options.newClients ?? ((given) => new VirtualClients({ ...given, load, slices }));
    this.#surroundings = {
      config,
      time,
      faults,
      network,
      heartbeats,
      workers: new Map(workers.map((worker) => [worker.spec.id, worker])),
      clients: newClients({ ...parts(), service, saw }),
      saw,
    };
    this.#disk = new VirtualDisk({ ...parts(), spec, limits, zones, saw });
    this.#calamities = new Calamities({
      ...parts(),
      network,
      heartbeats,
      submit: (event) => this.#submit(event),
    });
    this.#operator = new Operator({
      scenario,
      time,
      faults,
      random,
      disk: this.#disk,
      tell: (event) => this.#submit(event),
    });
  }

  /** Times the supervisor was killed. */
  get crashes(): number {
    return this.#lives - 1;
  }

  /** Requests that were not answered because of it. */
  get interrupted(): number {
    return this.#surroundings.clients.interrupted;
  }

  /** Whether there is a supervisor at the moment. */
  get isSupervised(): boolean {
    return this.#life !== null;
  }

  /** What the supervisor of the moment says of itself. */
  inspect(): Inspection {
    return this.#life!.inspect();
  }

  /** What is left now that all should be over. */
  remains(): EndOfWorld {
    const { workers } = this.#surroundings;
    return {
      nowUs: this.#life!.nowUs,
      inspection: this.inspect(),
      isDrained: this.#isDrained,
      ledger: this.#disk.read(),
      running: Array.from(workers.values(), ({ attempts }) => attempts).flat(),
    };
  }

  /** Lets time pass until everything is over, or `goesOn` says that enough has been seen. */
  run(goesOn: () => boolean): void {
    this.#begin();
    const { clients } = this.#surroundings;
    while (goesOn() && !clients.areDone) this.#time.step(Infinity);
    this.#setEnd();
    const { config, isAnsweredOut } = this.#scenario;
    const goesOnUs = isAnsweredOut ? 0 : config.timeouts.totalUs * this.#random.fraction();
    this.#time.after(goesOnUs, () => this.#stop());
    while (goesOn() && this.#time.step(this.#endUs));
  }

  get workers(): Iterable<VirtualWorker> {
    return this.#surroundings.workers.values();
  }

  /** One more worker begins to serve. */
  hire(spec: WorkerSpec): VirtualWorker {
    const worker = this.#newWorker(spec);
    this.#scenario.workers.push(spec);
    this.#surroundings.workers.set(spec.id, worker);
    this.#surroundings.heartbeats.keepReporting(worker);
    return worker;
  }

  /** A worker takes nothing new, and leaves for good once it has nothing left to do. */
  dismiss(worker: VirtualWorker, left: () => void): void {
    this.#calamities.drain(worker, left);
  }

  #begin(): void {
    const { load } = this.#scenario;
    const { workers, heartbeats, clients } = this.#surroundings;
    const spanUs = load.requests * load.meanGapUs;
    this.#start();
    for (const worker of workers.values()) {
      if (!worker.spec.isRemote) heartbeats.keepReporting(worker);
      this.#calamities.arrange(worker, spanUs);
    }
    clients.keepArriving();
    this.#arrangeCrashes(spanUs);
    this.#operator.arrangeLimitChanges(spanUs);
    this.#operator.arrangePolicyChanges(spanUs);
    if (this.#faults.strikes("early_stop", 0.3)) {
      this.#time.after(spanUs * this.#random.fraction(), () => this.#stop());
    }
  }

  // ── the supervisor's lives ─────────────────────────────────────────────────────────────

  #start(): void {
    const number = ++this.#lives;
    const process = new VirtualProcess({
      time: this.#time,
      faults: this.#faults,
      onKilled: () => this.#killed(),
    });
    const isSetBack = number > 1 && this.#faults.strikes("clock_set_back", 0.5);
    const errorUs = isSetBack ? this.#random.between(1, 4_000) * MICROS_PER_MILLI : 0;
    const observer: ObserverPort = {
      event: (nowUs, event) => this.#onlooker.event(nowUs, event),
      effects: (effects) => {
        this.#onlooker.effects(effects);
        for (const effect of effects) this.#operator.noticeShortage(effect);
      },
      settled: (effect) => this.#onlooker.settled(effect),
      workerChanged: (effect) => this.#onlooker.workerChanged(effect),
      drained: () => {
        this.#isDrained = true;
        this.#onlooker.drained();
      },
      leaseLost: () => this.#onlooker.leaseLost(),
    };
    const clock = new VirtualClock(this.#time, { errorUs });
    const disk = this.#disk.open(process);
    const openLedger = (submit: Submit): GroupCommit => new GroupCommit(disk, submit);
    this.#life = new Life({ number, process, observer, clock, openLedger }, this.#surroundings);
    this.#isDrained = false;
    const state = this.#disk.read();
    if (this.#random.chance(0.3)) this.#setTrapInRecovery(process, state.holds.length);
    this.#life.begin({ kind: "ledger_restored", state, limits: this.#disk.limits });
    if (this.#isStopping) this.#submit({ kind: "drain_asked" });
  }

  /** All that the process had is gone. After a while there is another one. */
  #killed(): void {
    const life = this.#life!;
    this.#life = null;
    this.#setEnd();
    this.#onlooker.sighting({ kind: "supervisor_killed" });
    this.#disk.settle();
    life.endpoints.breakAll();
    this.#surroundings.clients.disconnect(life);
    const awayUs = this.#random.pick([seconds(0.1), seconds(2), seconds(10)]) * this.#random.fraction();
    this.#time.after(awayUs, () => {
      this.#start();
      this.#setEnd();
    });
  }

  #arrangeCrashes(spanUs: Micros): void {
    for (let count = this.#random.between(0, 5); count > 0; count--) {
      this.#time.after(this.#random.fraction() * spanUs, () => {
        if (this.#random.chance(0.7)) this.#setTrap();
        else if (this.#life !== null && this.#faults.strikes("crash", 1)) this.#life.process.kill();
      });
    }
  }

  #setTrap(): void {
    const points = CRASH_POINTS.filter((point) => this.#faults.allows(point));
    if (points.length === 0) return;
    const point = this.#random.pick(points);
    this.#life?.process.setTrap({ point, passes: this.#random.between(0, 5), fault: point });
  }

  /** Kills the next process too, before what it has posted of its predecessor's holds is durable. */
  #setTrapInRecovery(process: VirtualProcess, holds: number): void {
    if (holds === 0) return;
    const point = this.#random.pick(CRASH_POINTS);
    const passes = point === "crash_between_effects" ? this.#random.between(0, holds - 1) : 0;
    process.setTrap({ point, passes, fault: "crash_in_recovery" });
  }

  /** The last moment at which the supervisor of now can be busy, and some time more. */
  #setEnd(): void {
    const { config, isAnsweredOut } = this.#scenario;
    const { totalUs, drainUs } = config.timeouts;
    const isIdle = isAnsweredOut && this.#surroundings.clients.areDone;
    this.#endUs = this.#time.nowUs + (isIdle ? 0 : totalUs) + drainUs + AFTERMATH_US;
  }

  // ── what reaches it from outside ───────────────────────────────────────────────────────

  #listener(): { life: number; nowMs: number; submit: (event: SupervisorEvent) => void } | null {
    const life = this.#life;
    if (life === null) return null;
    return {
      life: life.number,
      nowMs: Math.floor(life.nowUs / MICROS_PER_MILLI),
      submit: (event) => life.submit(event),
    };
  }

  #submit(event: SupervisorEvent): void {
    this.#life?.submit(event);
  }

  #stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#submit({ kind: "drain_asked" });
  }
}
