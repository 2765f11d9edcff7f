import type { Effect, RequestSettled } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import { EffectsHash } from "../recording/effects-hash.ts";
import type { Recorder } from "../recording/recorder.ts";
import type { CheckerSuite } from "./checkers/suite.ts";
import type { Sighting } from "./sightings.ts";
import { Tally } from "./tally.ts";
import type { Trace } from "./trace.ts";
import type { Onlooker } from "./world.ts";

/** All who look on while a world runs: counters, hash and checkers always, recorders and trace when asked for. */
export class Audience implements Onlooker {
  readonly tally = new Tally();
  readonly hash = new EffectsHash();
  readonly #checkers: CheckerSuite;
  readonly #newRecorder: (life: number) => Recorder | null;
  readonly #trace: Trace | null;
  #recorder: Recorder | null = null;
  #lives = 0;
  #events = 0;

  constructor(options: {
    checkers: CheckerSuite;
    /** Makes a recorder for one life of the supervisor, where there is to be one. */
    newRecorder: (life: number) => Recorder | null;
    trace: Trace | null;
  }) {
    this.#checkers = options.checkers;
    this.#newRecorder = options.newRecorder;
    this.#trace = options.trace;
  }

  /** Events seen so far. */
  get events(): number {
    return this.#events;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#events++;
    if (event.kind === "ledger_restored") this.#recorder = this.#newRecorder(++this.#lives);
    this.#recorder?.event(nowUs, event);
    this.#trace?.event(nowUs, event);
    this.#checkers.event(nowUs, event);
  }

  effects(effects: readonly Effect[]): void {
    this.hash.add(effects);
    this.#recorder?.effects(effects);
    this.#trace?.effects(effects);
    this.#checkers.effects(effects);
    this.tally.effects(effects);
  }

  sighting(sighting: Sighting): void {
    this.#checkers.sighting(sighting);
    if (sighting.kind === "supervisor_killed") this.close();
  }

  /** Completes the recording of the life that has ended. */
  close(): void {
    this.#recorder?.close();
    this.#recorder = null;
  }

  settled({ record }: RequestSettled): void {
    this.tally.add(record);
  }

  workerChanged(): void {}

  drained(): void {}

  leaseLost(): void {}
}
