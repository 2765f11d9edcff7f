import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Sighting } from "../sightings.ts";
import { AttemptsChecker } from "./attempts.ts";
import { CalmChecker } from "./calm.ts";
import { CapacityChecker } from "./capacity.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";
import { EndingsChecker } from "./endings.ts";
import { HeartbeatsChecker } from "./heartbeats.ts";
import { HoldsChecker } from "./holds.ts";
import { LifecycleChecker, type WatchedPacket } from "./lifecycle.ts";
import { LineChecker } from "./line.ts";
import { SilenceChecker } from "./silence.ts";
import { SlowClientsChecker } from "./slow-clients.ts";
import { SpreadChecker } from "./spread.ts";
import { StreamsChecker } from "./streams.ts";
import { WaitingChecker } from "./waiting.ts";

export interface Violation {
  /** The checker that saw it, `core` for an invariant of the supervisor itself. */
  checker: string;
  atUs: Micros;
  request: string | null;
  message: string;
}

/** All checkers of one run, and what they have found. */
export class CheckerSuite {
  readonly violations: Violation[] = [];
  readonly #checkers: Checker[];
  readonly #lifecycle: LifecycleChecker;
  #nowUs: Micros = 0;

  constructor(world: {
    config: CoreConfig;
    workers: readonly WorkerSpec[];
    isCalm: boolean;
    inspect: () => Inspection;
  }) {
    const { config, workers, inspect } = world;
    const lifecycle = new LifecycleChecker(config, this.#as("lifecycle"));
    const waiting = (): ReadonlySet<WatchedPacket> => lifecycle.waiting;
    this.#lifecycle = lifecycle;
    this.#checkers = [
      new EndingsChecker(config, this.#as("endings")),
      new StreamsChecker(this.#as("streams")),
      new HoldsChecker(this.#as("holds")),
      new LineChecker(config, waiting, this.#as("line")),
      lifecycle,
      new AttemptsChecker(config, this.#as("attempts")),
      new SilenceChecker(config, this.#as("silence")),
      new CapacityChecker(config, { inspect, waiting }, this.#as("capacity")),
      new WaitingChecker(config, { inspect, waiting, workers }, this.#as("waiting")),
      new SlowClientsChecker(config, this.#as("slow-clients")),
      new HeartbeatsChecker(config, this.#as("heartbeats")),
    ];
    if (!world.isCalm) return;
    this.#checkers.push(new CalmChecker(this.#as("calm")));
    const countsRequests = config.placement.policy === "least-request";
    if (countsRequests) this.#checkers.push(new SpreadChecker(workers, this.#as("spread")));
  }

  get transitions(): ReadonlySet<string> {
    return this.#lifecycle.transitions;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    for (const checker of this.#checkers) checker.event?.(nowUs, event);
  }

  effects(effects: readonly Effect[]): void {
    for (const checker of this.#checkers) checker.effects?.(this.#nowUs, effects);
  }

  sighting(sighting: Sighting): void {
    for (const checker of this.#checkers) checker.sighting?.(sighting);
  }

  end(end: EndOfWorld): void {
    for (const checker of this.#checkers) checker.end?.(end);
  }

  /** An invariant of the supervisor did not hold. */
  broken(message: string): void {
    this.#as("core")(null, message);
  }

  #as(checker: string): Violate {
    return (request, message) => {
      this.violations.push({ checker, atUs: this.#nowUs, request, message });
    };
  }
}
