import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import { Random } from "../../core/random.ts";
import type { Micros } from "../../core/units.ts";
import { EffectsHash } from "../../recording/effects-hash.ts";
import type { ObserverPort } from "../../supervisor/ports.ts";
import { ALL_SHARED_FAULTS, drawFaults, type Fault, FaultPlan } from "../faults.ts";
import { drawLimits } from "../money.ts";
import { drawScenario, type Scenario } from "../scenario.ts";
import type { SimulationReport } from "../simulate.ts";
import { Tally } from "../tally.ts";
import { Trace } from "../trace.ts";
import { VirtualTime } from "../virtual-time.ts";
import { PROBE_MODEL, PROBE_PRICE } from "./probe-worker.ts";
import { SharedSuite } from "./shared-suite.ts";
import { type SharedOnlooker, SharedWorld } from "./shared-world.ts";

export interface SharedSimulationOptions {
  /** Decides everything, as in `SimulationOptions`. */
  seed: number;
  requests: number;
  /** How many; null for what the seed says, two to four. */
  supervisors: number | null;
  /** Faults that may strike, instead of those that the seed selects. */
  faults?: readonly Fault[];
}

/** Runs one virtual world in which several supervisors share a ledger. */
export function simulateShared(options: SharedSimulationOptions): SimulationReport {
  const report = runOnce(options, undefined);
  const [violation] = report.violations;
  if (violation === undefined) return report;
  return { ...report, trace: runOnce(options, violation.request).trace };
}

/** `traced` is undefined where no trace is wanted, null where everything is to be traced. */
function runOnce(options: SharedSimulationOptions, traced: string | null | undefined): SimulationReport {
  const { seed, requests } = options;
  const random = new Random(seed);
  const selected = options.faults ?? drawFaults(random.fork(), ALL_SHARED_FAULTS);
  const faults = new FaultPlan(selected, random.fork());
  const drawn = random.pick([2, 2, 3, 4]);
  const supervisors = options.supervisors ?? drawn;
  const scenario = drawSharedScenario(random.fork(), { requests, isCalm: faults.isEmpty });

  const time = new VirtualTime(scenario.startUs);
  const trace = traced === undefined ? null : new Trace({ request: traced, startUs: time.startUs });
  const suite = new SharedSuite(scenario);
  const audience = new SharedAudience(suite, trace);
  const parts = { scenario, supervisors, time, faults, random: random.fork(), suite };
  const world = new SharedWorld({ ...parts, onlooker: audience });
  try {
    world.run(() => suite.violations.length === 0);
  } catch (error) {
    suite.violate("core", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const { tally, hash, events } = audience;
  return {
    seed,
    supervisors,
    requests,
    virtualSeconds: (time.nowUs - time.startUs) / 1e6,
    events,
    effects: hash.effects,
    hash: hash.digest(),
    outcomes: tally.outcomes,
    errors: tally.errors,
    retries: tally.retries,
    crashes: world.crashes,
    interrupted: world.interrupted,
    money: { ...tally.money, ...Object.fromEntries(suite.sharing) },
    mechanisms: { ...tally.mechanisms, ...Object.fromEntries(suite.happenings) },
    ttftMs: tally.ttftMs,
    totalMs: tally.totalMs,
    faults: faults.counts(),
    transitions: [...suite.transitions].sort(),
    violations: suite.violations,
    trace: [...(trace?.lines ?? [])],
  };
}

/** As for one supervisor, but that most worlds have limits: they are what has to be shared. */
function drawSharedScenario(random: Random, options: { requests: number; isCalm: boolean }): Scenario {
  const scenario = drawScenario(random, options);
  const { config, load } = scenario;
  let { limits } = scenario;
  for (let draws = 0; draws < 5 && limits.length === 0; draws++) {
    limits = drawLimits(random, { load, prices: config.prices });
  }
  const prices = { ...config.prices, [PROBE_MODEL]: PROBE_PRICE };
  return { ...scenario, limits, config: { ...config, prices } };
}

/** Counters, hash, trace and checkers. */
class SharedAudience implements SharedOnlooker {
  readonly tally = new Tally();
  readonly hash = new EffectsHash();
  readonly #suite: SharedSuite;
  readonly #trace: Trace | null;
  events = 0;

  constructor(suite: SharedSuite, trace: Trace | null) {
    this.#suite = suite;
    this.#trace = trace;
  }

  event(replica: string, nowUs: Micros, event: SupervisorEvent): void {
    this.events++;
    this.#trace?.event(nowUs, event, replica);
    this.#suite.event(replica, nowUs, event);
  }

  effects(replica: string, effects: readonly Effect[]): void {
    this.hash.add(effects);
    this.#trace?.effects(effects, replica);
    this.#suite.effects(replica, effects);
    this.tally.effects(effects);
  }

  settled({ record }: Parameters<ObserverPort["settled"]>[0]): void {
    this.tally.add(record);
  }
}
