import type { Effect } from "../../core/effects.ts";
import type { LimitsChanged, PolicySet, SupervisorEvent } from "../../core/events.ts";
import type { Scheduling } from "../../core/config.ts";
import type { Random } from "../../core/random.ts";
import { type Micros, MICROS_PER_MILLI, seconds } from "../../core/units.ts";
import type { ObserverPort } from "../../supervisor/ports.ts";
import { Calamities } from "../calamities.ts";
import type { EndOfWorld } from "../checkers/checker.ts";
import { VirtualClients } from "../clients.ts";
import { VirtualClock } from "../clock.ts";
import { VirtualDisk } from "../disk.ts";
import type { FaultPlan } from "../faults.ts";
import { Heartbeats, type Listener } from "../heartbeats.ts";
import type { Surroundings } from "../life.ts";
import { Network } from "../network.ts";
import { Operator } from "../operator.ts";
import { CRASH_POINTS, VirtualProcess } from "../process.ts";
import type { Service } from "../readers.ts";
import type { Scenario, WorkerSpec } from "../scenario.ts";
import type { Sighting } from "../sightings.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { VirtualWorker } from "../worker.ts";
import type { WorldParts } from "../world.ts";
import { Agents } from "./agents.ts";
import { KeeperLife } from "./keeper-life.ts";
import { LastCent } from "./last-cent.ts";
import { Mishaps } from "./mishaps.ts";
import { Replica } from "./replica.ts";
import type { SharedSuite } from "./shared-suite.ts";

/** Time for the last cancellations to arrive, for partitions to end and for whoever is away to come back. */
const AFTERMATH_US: Micros = seconds(60);

/** Numbers set aside for the tokens of each worker. */
const TOKENS_PER_WORKER = 2 ** 32;

/** Who looks on, told of each replica by its name. */
export interface SharedOnlooker {
  event(replica: string, nowUs: Micros, event: SupervisorEvent): void;
  effects(replica: string, effects: readonly Effect[]): void;
  settled: ObserverPort["settled"];
}

/**
 * Several supervisors on one ledger in a world that is made up: loops, cores, remote ledgers, keeper and desk of
 * production. Replicas are killed and cut off one by one; the machine that keeps the ledger stops with all of them, and
 * what its disk has is all that is left.
 */
export class SharedWorld {
  readonly #scenario: Scenario;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #suite: SharedSuite;
  readonly #onlooker: SharedOnlooker;
  readonly #surroundings: Surroundings;
  readonly #clients: VirtualClients;
  readonly #disk: VirtualDisk;
  readonly #calamities: Calamities;
  readonly #mishaps: Mishaps;
  readonly #operator: Operator;
  readonly #agents: Agents;
  readonly #newWorker: (spec: WorkerSpec) => VirtualWorker;
  /** By place; null while nobody is there. */
  readonly #replicas: (Replica | null)[];
  /** Null while the machine is down. */
  #keeper: KeeperLife | null = null;
  #lives = 0;
  #stops = 0;
  #hired = 0;
  #endUs: Micros = Infinity;
  #isStopping = false;
  /** What an operator has set since the machine was started. */
  #policies: Partial<Scheduling> = {};
  #lastCent: LastCent | null = null;
  /** Times that a supervisor was killed or gave up, and that the machine stopped. */
  crashes = 0;

  constructor(options: {
    scenario: Scenario;
    supervisors: number;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    suite: SharedSuite;
    onlooker: SharedOnlooker;
  }) {
    const { scenario, time, faults, random, suite } = options;
    this.#scenario = scenario;
    this.#time = time;
    this.#faults = faults;
    this.#random = random;
    this.#suite = suite;
    this.#onlooker = options.onlooker;
    this.#replicas = Array.from({ length: options.supervisors }, () => null);
    const saw = (sighting: Sighting): void => suite.sighting(sighting);
    const parts = (): WorldParts => ({ time, faults, random: random.fork() });
    const { config, limits, zones, load, disk: spec } = scenario;
    const network = new Network({ ...parts(), meanUs: scenario.network.delayUs });
    this.#newWorker = (hired) => {
      const index = this.#hired++;
      return new VirtualWorker({
        ...parts(),
        spec: hired,
        saw,
        stateOn: (worker, attempt) => this.#surroundings.workers.get(worker)?.hasState(attempt) ?? false,
        firstToken: index * TOKENS_PER_WORKER,
        fraction: (1 + (index % 1_000)) / 1_001,
      });
    };
    const workers = [...scenario.workers, ...scenario.remotes].map(this.#newWorker);
    const heartbeats = new Heartbeats({ ...parts(), network, listeners: () => this.#listeners() });
    const doors = random.fork();
    this.#clients = new VirtualClients({ ...parts(), load, service: () => this.#anybody(doors), saw });
    this.#disk = new VirtualDisk({ ...parts(), spec, limits, zones, saw });
    this.#surroundings = {
      config,
      time,
      faults,
      network,
      heartbeats,
      workers: new Map(workers.map((worker) => [worker.spec.id, worker])),
      clients: this.#clients,
      saw,
    };
    const submit = (event: SupervisorEvent): void => this.#tellAll(event);
    this.#calamities = new Calamities({ ...parts(), network, heartbeats, submit });
    this.#mishaps = new Mishaps({ ...parts(), replicas: () => this.#replicas, keeper: () => this.#keeper });
    const tell = (event: LimitsChanged | PolicySet): void => {
      if (event.kind === "limits_changed") this.#keeper?.limitsChanged(event);
      else this.#setPolicies(event);
    };
    const replica = (): Replica | null => this.#drawReady(doors);
    this.#agents = new Agents({ time, random: random.fork(), load, clients: this.#clients, replica });
    this.#operator = new Operator({ scenario, time, faults, random: random.fork(), disk: this.#disk, tell });
  }

  /** Requests that were not answered because their supervisor was killed. */
  get interrupted(): number {
    return this.#clients.interrupted;
  }

  /** Lets time pass until everything is over, or `goesOn` says that enough has been seen. */
  run(goesOn: () => boolean): void {
    this.#begin();
    while (goesOn() && !this.#clients.areDone) this.#time.step(Infinity);
    if (!this.#isStopping && this.#random.chance(0.8)) this.#spendLastCent(goesOn);
    this.#time.after(this.#scenario.config.timeouts.totalUs * this.#random.fraction(), () => this.#stop());
    this.#setEnd();
    while (goesOn() && this.#time.step(this.#endUs));
    if (goesOn()) this.#suite.end(this.#remains());
  }

  /** The last moment at which anybody can be busy, and some time more: whoever starts anew may take up more. */
  #setEnd(): void {
    const { totalUs, drainUs } = this.#scenario.config.timeouts;
    this.#endUs = this.#time.nowUs + 2 * totalUs + drainUs + AFTERMATH_US;
  }

  #begin(): void {
    const { load } = this.#scenario;
    const { workers, heartbeats } = this.#surroundings;
    const spanUs = load.requests * load.meanGapUs;
    this.#startMachine();
    for (const worker of workers.values()) {
      if (!worker.spec.isRemote) heartbeats.keepReporting(worker);
      this.#calamities.arrange(worker, spanUs);
    }
    this.#clients.keepArriving();
    this.#mishaps.arrange(spanUs);
    this.#agents.arrange(spanUs);
    this.#operator.arrangeLimitChanges(spanUs);
    this.#operator.arrangePolicyChanges(spanUs);
    if (this.#faults.strikes("early_stop", 0.3)) {
      this.#time.after(spanUs * this.#random.fraction(), () => this.#stop());
    }
  }

  // ── the machine that keeps the ledger ──────────────────────────────────────────────────

  #startMachine(): void {
    const process = this.#newProcess(() => this.#machineStopped());
    const clock = this.#drawClock(++this.#stops > 1);
    const keeper = new KeeperLife({
      process,
      clock,
      watcher: this.#suite,
      rates: this.#scenario.config.scheduling.admission,
      slices: this.#scenario.config.slices,
      // Where it is, nobody can end it from here: it has to stop by itself.
      onSilent: (name) => this.#replicas.find((replica) => replica?.name === name)?.close(),
    });
    this.#keeper = keeper;
    this.#policies = {};
    if (this.#stops > 1 && this.#random.chance(0.3)) {
      process.setTrap({ point: this.#random.pick(CRASH_POINTS), passes: 0, fault: "crash_in_recovery" });
    }
    keeper.begin(this.#disk);
    for (const place of this.#replicas.keys()) this.#startReplica(place);
  }

  /** All that its processes had is gone, but what the disk has. */
  #machineStopped(): void {
    this.#keeper = null;
    this.crashes++;
    this.#disk.settle();
    for (const replica of this.#replicas) replica?.process.kill();
    this.#time.after(this.#drawAwayUs(), () => this.#startMachine());
  }

  // ── its supervisors ────────────────────────────────────────────────────────────────────

  #startReplica(place: number): void {
    const keeper = this.#keeper;
    if (keeper === null || this.#replicas[place] !== null) return;
    const number = ++this.#lives;
    const name = `s${place}.${number}`;
    const process = this.#newProcess(() => this.#replicaOver(replica));
    const clock = this.#drawClock(number > this.#replicas.length);
    const replica = new Replica(
      { name, number, place, process, clock, observer: this.#observer(name, () => replica) },
      {
        surroundings: this.#surroundings,
        keeper,
        line: { ...this.#parts(), meanUs: this.#random.pick([20, 200, 5_000]) },
        onReady: () => {
          replica.life.submit({ kind: "policy_set", scheduling: this.#policies });
          for (const worker of this.#surroundings.workers.values()) this.#introduce(worker);
          if (this.#isStopping) replica.life.submit({ kind: "drain_asked" });
        },
      },
    );
    this.#suite.watch(name, () => replica.life.inspect());
    this.#replicas[place] = replica;
    this.#setEnd();
    replica.join();
  }

  /** A supervisor that is new hears at once of those that are there. */
  #introduce(worker: VirtualWorker): void {
    if (worker.isRunning && !worker.spec.isRemote) this.#surroundings.heartbeats.report(worker);
  }

  #observer(name: string, replica: () => Replica): ObserverPort {
    return {
      event: (nowUs, event) => this.#onlooker.event(name, nowUs, event),
      effects: (effects) => {
        this.#onlooker.effects(name, effects);
        this.#lastCent?.effects(effects);
        this.#agents.effects(effects);
        for (const effect of effects) this.#operator.noticeShortage(effect);
      },
      settled: (effect) => this.#onlooker.settled(effect),
      workerChanged: () => {},
      drained: () => {
        replica().isDrained = true;
      },
      leaseLost: () => replica().process.kill(),
    };
  }

  /** After a while there is another one in its place. */
  #replicaOver(replica: Replica): void {
    this.#replicas[replica.place] = null;
    this.#setEnd();
    this.crashes++;
    this.#suite.over(replica.name);
    replica.life.endpoints.breakAll();
    this.#clients.disconnect(replica.life);
    replica.broken();
    this.#time.after(this.#drawAwayUs(), () => this.#startReplica(replica.place));
  }

  #newProcess(onKilled: () => void): VirtualProcess {
    return new VirtualProcess({ time: this.#time, faults: this.#faults, onKilled });
  }

  #drawClock(isLater: boolean): VirtualClock {
    const random = this.#random;
    let errorUs = 0;
    if (this.#faults.strikes("clock_offset", 0.5))
      errorUs += random.between(-2_000, 2_000) * MICROS_PER_MILLI;
    if (isLater && this.#faults.strikes("clock_set_back", 0.3))
      errorUs += random.between(1, 4_000) * MICROS_PER_MILLI;
    const isDrifting = this.#faults.strikes("clock_drift", 0.5);
    return new VirtualClock(this.#time, { errorUs, rate: isDrifting ? random.between(900, 999) / 1_000 : 1 });
  }

  #drawAwayUs(): Micros {
    return this.#random.pick([seconds(0.1), seconds(2), seconds(10)]) * this.#random.fraction();
  }

  // ── who reaches whom ───────────────────────────────────────────────────────────────────

  get #ready(): Replica[] {
    return this.#replicas.filter((replica) => replica?.isReady === true) as Replica[];
  }

  #anybody(random: Random): Service | null {
    return this.#drawReady(random)?.life ?? null;
  }

  #drawReady(random: Random): Replica | null {
    const ready = this.#ready;
    return ready.length === 0 ? null : random.pick(ready);
  }

  #listeners(): (Listener | null)[] {
    return this.#replicas.map((replica) => {
      if (replica === null || !replica.isReady) return null;
      const { life } = replica;
      const nowMs = Math.floor(life.nowUs / MICROS_PER_MILLI);
      return { life: life.number, nowMs, submit: (event) => life.submit(event) };
    });
  }

  /** Reaches those that are there, and all that come later as long as the machine is up. */
  #setPolicies({ scheduling }: PolicySet): void {
    this.#policies = { ...this.#policies, ...scheduling };
    if (scheduling.admission !== undefined) this.#keeper?.setRates(scheduling.admission);
    this.#tellAll({ kind: "policy_set", scheduling });
  }

  #tellAll(event: SupervisorEvent): void {
    for (const { life } of this.#ready) life.submit(event);
  }

  #stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#tellAll({ kind: "drain_asked" });
  }

  #parts(): WorldParts {
    return { time: this.#time, faults: this.#faults, random: this.#random.fork() };
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** All is well from now on, and once it is quiet, whatever is left of a limit can be had at any one supervisor. */
  #spendLastCent(goesOn: () => boolean): void {
    this.#faults.cease();
    this.#agents.cease();
    const pass = (durationUs: Micros, isEnough = (): boolean => false): boolean => {
      const untilUs = this.#time.nowUs + durationUs;
      while (goesOn() && !isEnough() && this.#time.step(untilUs));
      return goesOn();
    };
    if (!pass(this.#scenario.config.timeouts.totalUs + AFTERMATH_US) || this.#isStopping) return;
    const { openHolds } = this.#keeper!;
    if (openHolds > 0) this.#suite.violate("quiet", `${openHolds} holds are open, and nothing is going on`);
    this.#lastCent = new LastCent({
      random: this.#random.fork(),
      suite: this.#suite,
      disk: this.#disk,
      clients: this.#clients,
      replicas: this.#ready,
      setLimit: (limit) => this.#operator.setLimit(limit),
      hire: (spec) => {
        const worker = this.#newWorker(spec);
        this.#surroundings.workers.set(spec.id, worker);
        this.#surroundings.heartbeats.keepReporting(worker);
      },
      pass,
      keptUs: () => this.#keeper?.nowUs ?? 0,
    });
    this.#lastCent.spend();
  }

  #remains(): Map<string, EndOfWorld> {
    const ledger = this.#disk.read();
    const running = Array.from(this.#surroundings.workers.values(), ({ attempts }) => attempts).flat();
    return new Map(
      this.#replicas.map((replica, place) => {
        if (replica === null || !replica.isReady)
          throw new Error(`supervisor ${place} is not there at the end`);
        const { life, isDrained, pending, name } = replica;
        if (pending > 0) this.#suite.violate("quiet", `${name} waits for ${pending} entries to be durable`);
        return [name, { nowUs: life.nowUs, inspection: life.inspect(), isDrained, ledger, running }];
      }),
    );
  }
}
