import type { CoreConfig } from "../core/config.ts";
import { createRecorder, type Recorder } from "../recording/recorder.ts";
import { Audience } from "./audience.ts";
import { CheckerSuite, type Violation } from "./checkers/suite.ts";
import { drawFaults, type Fault, FaultPlan } from "./faults.ts";
import { Random } from "../core/random.ts";
import { drawScenario } from "./scenario.ts";
import { withSlices } from "./slicing.ts";
import type { Percentiles } from "./tally.ts";
import { Trace } from "./trace.ts";
import { VirtualTime } from "./virtual-time.ts";
import { World } from "./world.ts";

export const REQUESTS_DEFAULT = 200;

export interface SimulationOptions {
  /** Decides everything: the same seed gives the same report, byte for byte. */
  seed: number;
  requests?: number;
  /** Faults that may strike, instead of those that the seed selects. */
  faults?: readonly Fault[];
  /** Replaces parts of the configuration that the seed draws. */
  config?: Partial<CoreConfig>;
  /** File to record the first life of the supervisor into; those after a crash get a number after its name. */
  record?: string;
}

/** What a run came to; times are in virtual time. */
export interface SimulationReport {
  seed: number;
  /** How many share the ledger; absent for one that has it to itself. */
  supervisors?: number;
  requests: number;
  virtualSeconds: number;
  events: number;
  effects: number;
  /** Of all effects: see `EffectsHash`. */
  hash: string;
  /** Requests by how they ended. */
  outcomes: Record<string, number>;
  /** Failed requests by `code` or `code/reason`. */
  errors: Record<string, number>;
  retries: number;
  /** Times the supervisor was killed and started again, and requests that were not answered because of it. */
  crashes: number;
  interrupted: number;
  /** What happened to money that does not happen to every request. */
  money: Record<string, number>;
  /** What was done about slow and broken endpoints. */
  mechanisms: Record<string, number>;
  ttftMs: Percentiles | null;
  totalMs: Percentiles | null;
  /** How often each fault struck. */
  faults: Partial<Record<Fault, number>>;
  /** Transitions of the lifecycle that were taken, as `from→to`. */
  transitions: string[];
  violations: Violation[];
  /** The last events about the request of the first violation; empty without one. */
  trace: string[];
}

/** Runs one virtual world from its first request to the end of its drain. */
export function simulate(options: SimulationOptions): SimulationReport {
  const report = runOnce(options, { traced: undefined });
  const [violation] = report.violations;
  if (violation === undefined) return report;
  // The run can be had again at will, so nothing has to be traced while all goes well.
  const { record: _, ...again } = options;
  return { ...report, trace: runOnce(again, { traced: violation.request }).trace };
}

/** Runs one seed after the other, and stops at the first with a violation. */
export function simulateSeeds(options: {
  from: number;
  count: number;
  requests?: number;
  /** What is run with each: a world with one supervisor if nothing is said. */
  run?: (world: { seed: number; requests: number }) => SimulationReport;
  onProgress?: (report: SimulationReport) => void;
}): SimulationReport[] {
  const { from, count, requests = REQUESTS_DEFAULT, run = simulate, onProgress } = options;
  const reports: SimulationReport[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const report = run({ seed, requests });
    reports.push(report);
    onProgress?.(report);
    if (report.violations.length > 0) break;
  }
  return reports;
}

/** `traced` is undefined where no trace is wanted, null where everything is to be traced. */
function runOnce(
  options: SimulationOptions,
  { traced }: { traced: string | null | undefined },
): SimulationReport {
  const { seed, requests = REQUESTS_DEFAULT, record } = options;
  const random = new Random(seed);
  const selected = options.faults ?? drawFaults(random.fork());
  const faults = new FaultPlan(selected, random.fork());
  const isCalm = faults.isEmpty;
  const ofWorld = random.fork();
  const drawn = withSlices(drawScenario(ofWorld, { requests, isCalm }), ofWorld);
  const scenario = { ...drawn, config: { ...drawn.config, ...options.config } };
  const { config, workers } = scenario;

  const time = new VirtualTime(scenario.startUs);
  const trace = traced === undefined ? null : new Trace({ request: traced, startUs: time.startUs });
  const checkers = new CheckerSuite({ config, workers, isCalm, inspect: () => world.inspect() });
  const newRecorder = (life: number): Recorder | null => {
    return record === undefined ? null : createRecorder(life === 1 ? record : `${record}.${life}`, config);
  };
  const audience = new Audience({ checkers, newRecorder, trace });
  const world = new World({ scenario, time, faults, random: random.fork(), onlooker: audience });
  play(world, checkers);
  audience.close();

  const { tally, hash, events } = audience;
  return {
    seed,
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
    money: tally.money,
    mechanisms: { ...tally.mechanisms, ...Object.fromEntries(checkers.happenings) },
    ttftMs: tally.ttftMs,
    totalMs: tally.totalMs,
    faults: faults.counts(),
    transitions: [...checkers.transitions].sort(),
    violations: checkers.violations,
    trace: [...(trace?.lines ?? [])],
  };
}

/** Runs the world to its end, or to the first violation; a broken invariant of the core is one too. */
function play(world: World, checkers: CheckerSuite): void {
  try {
    world.run(() => checkers.violations.length === 0);
    if (checkers.violations.length === 0) checkers.end(world.remains());
  } catch (error) {
    checkers.broken(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
