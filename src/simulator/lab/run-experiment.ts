import type { Effect, RequestSettled } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { Random } from "../../core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../core/units.ts";
import { Audience } from "../audience.ts";
import { CheckerSuite } from "../checkers/suite.ts";
import { FaultPlan } from "../faults.ts";
import type { Sighting } from "../sightings.ts";
import { VirtualTime } from "../virtual-time.ts";
import { type Onlooker, World } from "../world.ts";
import { Crew } from "./crew.ts";
import type { Experiment, ExperimentResult, Sample } from "./experiment.ts";
import { leadUs, scenarioOf } from "./lab-scenario.ts";
import { Results } from "./results.ts";
import { WorkloadClients } from "./workload-clients.ts";

/** Requests between two looks at the progress. */
const PROGRESS_REQUESTS = 100;

/**
 * Runs an experiment in virtual time: the loop and the core of production, a fleet of virtual workers, and clients who
 * send the workload. The same experiment gives the same result. Checkers look on all the time; what they find is
 * in `violations`, and the run ends with the first.
 */
export function runExperiment(experiment: Experiment): ExperimentResult {
  return new Laboratory(experiment).run();
}

class Laboratory {
  readonly #experiment: Experiment;
  readonly #time: VirtualTime;
  readonly #originUs: Micros;
  readonly #results: Results;
  readonly #checkers: CheckerSuite;
  readonly #audience: Audience;
  readonly #world: World;
  readonly #samples: Sample[] = [];
  #isStopped = false;

  constructor(experiment: Experiment) {
    const { seed, faults = [], workload, load = 1, perToken = false } = experiment;
    this.#experiment = experiment;
    const random = new Random(seed);
    const plan = new FaultPlan(faults, random.fork());
    const scenario = scenarioOf(experiment);
    const time = new VirtualTime(scenario.startUs);
    const originUs = time.nowUs + leadUs(experiment);
    const results = new Results({ originUs, onEnded: () => this.#progressed() });
    this.#checkers = new CheckerSuite({
      config: scenario.config,
      workers: scenario.workers,
      isCalm: plan.isEmpty,
      inspect: () => this.#world.inspect(),
    });
    this.#audience = new Audience({ checkers: this.#checkers, newRecorder: () => null, trace: null });
    this.#time = time;
    this.#originUs = originUs;
    this.#results = results;
    this.#world = new World({
      scenario,
      time,
      faults: plan,
      random: random.fork(),
      onlooker: new LabOnlooker(this.#audience, results),
      newClients: (parts) => new WorkloadClients(parts, { workload, originUs, load, listener: results }),
      perToken,
      served: (attempt, atUs, tokens) => results.served(attempt, atUs, tokens),
    });
  }

  run(): ExperimentResult {
    const crew = new Crew(this.#experiment, { time: this.#time, world: this.#world });
    this.#keepSampling();
    this.#play();
    const { requests, endUs, service } = this.#results;
    return {
      seed: this.#experiment.seed,
      requests,
      samples: this.#samples.filter(({ atUs }) => atUs <= endUs),
      virtualSeconds: endUs / MICROS_PER_SECOND,
      service,
      workerSeconds: crew.workerSeconds(this.#originUs + endUs),
      events: this.#audience.events,
      hash: this.#audience.hash.digest(),
      violations: this.#checkers.violations,
    };
  }

  #play(): void {
    const { violations } = this.#checkers;
    try {
      this.#world.run(() => violations.length === 0 && !this.#isStopped);
      if (violations.length === 0 && !this.#isStopped) this.#checkers.end(this.#world.remains());
    } catch (error) {
      this.#checkers.broken(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  #progressed(): void {
    const { ended, requests } = this.#results;
    if (ended % PROGRESS_REQUESTS !== 0) return;
    const { onProgress, shouldStop, workload } = this.#experiment;
    const virtualSeconds = (this.#time.nowUs - this.#originUs) / MICROS_PER_SECOND;
    onProgress?.({
      requests: ended,
      of: Math.max(workload.requests.length, requests.length),
      virtualSeconds,
    });
    if (shouldStop?.() === true) this.#isStopped = true;
  }

  #keepSampling(): void {
    const { sampleEveryUs } = this.#experiment;
    if (sampleEveryUs === undefined || sampleEveryUs <= 0) return;
    const sample = (): void => {
      if (this.#world.isSupervised) this.#samples.push(this.#sample());
      this.#time.after(sampleEveryUs, sample);
    };
    this.#time.at(this.#originUs, sample);
  }

  #sample(): Sample {
    const { queue, sessions } = this.#world.inspect();
    const workers = [...this.#world.workers].filter(({ isRunning }) => isRunning);
    return {
      atUs: this.#time.nowUs - this.#originUs,
      waiting: queue.packets,
      running: sessions,
      workers: workers.length,
      kv: workers.map(({ kvShare }) => kvShare),
    };
  }
}

/** Checkers, counters and the hash, and what is to be known of each request. */
class LabOnlooker implements Onlooker {
  readonly #audience: Audience;
  readonly #results: Results;

  constructor(audience: Audience, results: Results) {
    this.#audience = audience;
    this.#results = results;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#results.at(nowUs);
    this.#audience.event(nowUs, event);
  }

  effects(effects: readonly Effect[]): void {
    this.#results.effects(effects);
    this.#audience.effects(effects);
  }

  sighting(sighting: Sighting): void {
    this.#audience.sighting(sighting);
  }

  settled(effect: RequestSettled): void {
    this.#results.settled(effect.record);
    this.#audience.settled(effect);
  }

  workerChanged(): void {}

  drained(): void {}

  leaseLost(): void {}
}
