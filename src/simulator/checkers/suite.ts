import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Sighting } from "../sightings.ts";
import { AdmissionsChecker } from "./admissions.ts";
import { AttemptsChecker } from "./attempts.ts";
import { BreakersChecker } from "./breakers.ts";
import { BudgetsChecker } from "./budgets.ts";
import { CalmChecker } from "./calm.ts";
import { CapacityChecker } from "./capacity.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";
import { EndingsChecker } from "./endings.ts";
import { GenerationsChecker } from "./generations.ts";
import { HedgesChecker } from "./hedges.ts";
import { HeartbeatsChecker } from "./heartbeats.ts";
import { HoldsChecker } from "./holds.ts";
import { LedgerChecker } from "./ledger.ts";
import { LifecycleChecker, type WatchedPacket } from "./lifecycle.ts";
import { Knowledge } from "./knowledge.ts";
import { LittleChecker } from "./little.ts";
import { OvertakingChecker } from "./overtaking.ts";
import { PreemptionsChecker } from "./preemptions.ts";
import { SilenceChecker } from "./silence.ts";
import { SlowClientsChecker } from "./slow-clients.ts";
import { SpreadChecker } from "./spread.ts";
import { StatesChecker } from "./states.ts";
import { StreamsChecker } from "./streams.ts";
import { WaitingChecker } from "./waiting.ts";

export interface Violation {
  /** The checker that saw it, `core` for an invariant of the supervisor itself. */
  checker: string;
  atUs: Micros;
  request: string | null;
  message: string;
}

interface WatchedWorld {
  config: CoreConfig;
  workers: readonly WorkerSpec[];
  isCalm: boolean;
  inspect: () => Inspection;
}

/**
 * All checkers of one run, and what they have found. Most know one life of the supervisor and begin
 * anew with the next; money is watched over all of them.
 */
export class CheckerSuite {
  readonly violations: Violation[] = [];
  readonly #world: WatchedWorld;
  readonly #transitions = new Set<string>();
  readonly #events = new Map<string, number>();
  readonly #happened = (what: string): void => {
    this.#events.set(what, (this.#events.get(what) ?? 0) + 1);
  };
  readonly #ledger: LedgerChecker;
  readonly #generations: GenerationsChecker;
  #knowledge: Knowledge | null = null;
  #budgets: BudgetsChecker | null = null;
  #ofThisLife: readonly Checker[] = [];
  #nowUs: Micros = 0;

  constructor(world: WatchedWorld) {
    this.#world = world;
    this.#ledger = new LedgerChecker(this.#as("ledger"));
    this.#generations = new GenerationsChecker(() => this.#ledger.book, this.#as("generations"));
  }

  /** Every transition of the lifecycle that was taken, as `from→to`. */
  get transitions(): ReadonlySet<string> {
    return this.#transitions;
  }

  /** How often happened what only checkers can tell. */
  get happenings(): ReadonlyMap<string, number> {
    return this.#events;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "ledger_restored") this.#beginLife();
    this.#ledger.event(nowUs, event);
    this.#budgets?.event(nowUs, event);
    this.#generations.event(nowUs, event);
    this.#knowledge?.event(nowUs, event);
    for (const checker of this.#ofThisLife) checker.event?.(nowUs, event);
  }

  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.#ledger.effect(effect);
      this.#budgets?.effect(effect);
    }
    this.#generations.effects(this.#nowUs, effects);
    this.#knowledge?.effects(effects);
    for (const checker of this.#ofThisLife) checker.effects?.(this.#nowUs, effects);
    this.#ledger.stepped();
    this.#budgets?.stepped();
  }

  sighting(sighting: Sighting): void {
    this.#ledger.sighting(sighting);
    this.#generations.sighting(sighting);
    for (const checker of this.#ofThisLife) checker.sighting?.(sighting);
    if (sighting.kind === "supervisor_killed") this.#endLife();
  }

  end(end: EndOfWorld): void {
    this.#ledger.end(end);
    this.#generations.end();
    for (const checker of this.#ofThisLife) checker.end?.(end);
  }

  /** An invariant of the supervisor did not hold. */
  broken(message: string): void {
    this.#as("core")(null, message);
  }

  #beginLife(): void {
    const { config, workers, isCalm, inspect } = this.#world;
    const knowledge = new Knowledge(config, workers);
    const lifecycle = new LifecycleChecker(knowledge, this.#transitions, this.#as("lifecycle"));
    const attempts = new AttemptsChecker(knowledge, this.#as("attempts"));
    this.#knowledge = knowledge;
    const waiting = (): ReadonlySet<WatchedPacket> => lifecycle.waiting;
    const unfunded = (): ReadonlySet<WatchedPacket> => lifecycle.unfunded;
    this.#budgets = new BudgetsChecker(
      config,
      { ledger: this.#ledger, knowledge: () => knowledge, unfunded },
      this.#as("budgets"),
    );
    const checkers: Checker[] = [
      new EndingsChecker(config, this.#as("endings")),
      new StreamsChecker(this.#as("streams")),
      new HoldsChecker(config, this.#as("holds")),
      new OvertakingChecker({ knowledge, waiting }, this.#as("overtaking")),
      new AdmissionsChecker({ knowledge, waiting }, this.#as("admissions")),
      new PreemptionsChecker({ knowledge, waiting }, this.#as("preemptions")),
      lifecycle,
      attempts,
      new SilenceChecker(config, this.#as("silence")),
      new CapacityChecker({ knowledge, attempts, inspect, waiting }, this.#as("capacity")),
      new SlowClientsChecker(config, this.#as("slow-clients")),
      new HeartbeatsChecker(config, this.#as("heartbeats")),
      new HedgesChecker(knowledge, this.#as("hedges")),
      new BreakersChecker({ knowledge, inspect, happened: this.#happened }, this.#as("breakers")),
      new StatesChecker(knowledge, this.#as("states")),
      new LittleChecker(this.#as("little")),
    ];
    if (knowledge.isPlain) {
      checkers.push(new WaitingChecker({ knowledge, attempts, inspect, waiting }, this.#as("waiting")));
    }
    if (isCalm) checkers.push(new CalmChecker(this.#as("calm")));
    if (isCalm && isSpread(this.#world))
      checkers.push(new SpreadChecker({ knowledge, inspect }, this.#as("spread")));
    this.#ofThisLife = checkers;
  }

  #endLife(): void {
    this.#knowledge = null;
    this.#budgets = null;
    this.#ofThisLife = [];
  }

  #as(checker: string): Violate {
    return (request, message) => {
      this.violations.push({ checker, atUs: this.#nowUs, request, message });
    };
  }
}

/** More than any session takes up. */
const PLENTY_BYTES = 1e12;

/** Whether nothing but the number of requests decides where they go. */
function isSpread({ config, workers }: WatchedWorld): boolean {
  const isPlentiful = workers.every(({ limits, engine, role }) => {
    return role === "both" && limits.kvBytesMax >= PLENTY_BYTES && engine.profile.admission !== "peak";
  });
  return isPlentiful && config.scheduling.placement.profile === "least-request";
}
