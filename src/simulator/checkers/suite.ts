import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { sliceOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import { BudgetsChecker } from "./budgets.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";
import { GenerationsChecker } from "./generations.ts";
import { LedgerChecker } from "./ledger.ts";
import type { Knowledge } from "./knowledge.ts";
import { type WatchedWorld, watchLife } from "./life-checkers.ts";
import { Room } from "./room.ts";
import { SlicesChecker } from "./slices.ts";

export interface Violation {
  /** The checker that saw it, `core` for an invariant of the supervisor itself. */
  checker: string;
  atUs: Micros;
  request: string | null;
  message: string;
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
  readonly #slices: SlicesChecker;
  readonly #generations: GenerationsChecker;
  #knowledge: Knowledge | null = null;
  #budgets: BudgetsChecker | null = null;
  #ofThisLife: readonly Checker[] = [];
  #nowUs: Micros = 0;

  constructor(world: WatchedWorld) {
    this.#world = world;
    this.#ledger = new LedgerChecker(this.#as("ledger"), { totalUs: world.config.timeouts.totalUs });
    this.#slices = new SlicesChecker(this.#world.config.slices, this.#as("slices"));
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
    this.#slices.event(nowUs, event);
    this.#generations.event(nowUs, event);
    this.#knowledge?.event(nowUs, event);
    for (const checker of this.#ofThisLife) checker.event?.(nowUs, event);
  }

  effects(effects: readonly Effect[]): void {
    let hasSlices = false;
    for (const effect of effects) {
      hasSlices ||= isOfSlice(effect);
      this.#ledger.effect(effect);
      this.#budgets?.effect(effect);
      this.#slices.effect(effect);
    }
    // To whoever watches requests, holds are those of packets.
    const ofPackets = hasSlices ? effects.filter((effect) => !isOfSlice(effect)) : effects;
    this.#generations.effects(this.#nowUs, ofPackets);
    this.#knowledge?.effects(ofPackets);
    for (const checker of this.#ofThisLife) checker.effects?.(this.#nowUs, ofPackets);
    this.#ledger.stepped();
    this.#budgets?.stepped();
    this.#slices.stepped();
  }

  sighting(sighting: Sighting): void {
    this.#ledger.sighting(sighting);
    this.#slices.sighting(sighting);
    this.#generations.sighting(sighting);
    for (const checker of this.#ofThisLife) checker.sighting?.(sighting);
    if (sighting.kind === "supervisor_killed") this.#endLife();
  }

  end(end: EndOfWorld): void {
    this.#ledger.end(end);
    this.#slices.end();
    this.#generations.end();
    for (const checker of this.#ofThisLife) checker.end?.(end);
  }

  /** An invariant of the supervisor did not hold. */
  broken(message: string): void {
    this.#as("core")(null, message);
  }

  #beginLife(): void {
    const life = watchLife(this.#world, {
      as: (checker) => this.#as(checker),
      transitions: this.#transitions,
      happened: this.#happened,
    });
    const { knowledge, unfunded } = life;
    this.#knowledge = knowledge;
    const room = new Room(this.#ledger, () => knowledge.scheduling.queueing);
    const sources = { room, knowledge: () => knowledge, unfunded };
    this.#budgets = new BudgetsChecker(this.#world.config, sources, this.#as("budgets"));
    this.#slices.begin(room);
    this.#ofThisLife = life.checkers;
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

function isOfSlice(effect: Effect): boolean {
  return effect.kind === "append_ledger" && sliceOf(effect.entry.hold) !== null;
}
