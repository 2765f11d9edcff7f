import type { QueueingConfig } from "../../../src/core/config.ts";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { SCORERS } from "../../../src/core/placement/profile.ts";
import { catalogueOf } from "../../../src/core/policy.ts";
import { MICROS_PER_MILLI } from "../../../src/core/units.ts";
import { engineProfile } from "../../../src/simulator/engine-profiles/index.ts";
import type { ExperimentResult } from "../../../src/simulator/lab/experiment.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import { defined, meetsSlo, ttftMsOf } from "../../../src/simulator/reports/metrics.ts";
import { ascendingOf, quantileOfSorted } from "../../../src/simulator/statistics/quantiles.ts";
import { synthesise } from "../../../src/simulator/workloads/synthetic/synthesise.ts";
import type { Workload } from "../../../src/simulator/workloads/workload.ts";
import { snapshotLoad } from "./snapshot-load.ts";
import { readTrace, type TracePart } from "./trace.ts";

/** Endpoints of every run. */
export const ENDPOINTS = 8;
export const ENGINE = engineProfile("h100-llama-3.1-8b");
/** Relative standard deviation of the duration of a step. */
export const STEP_NOISE = 0.03;

/** One run on a fleet of equal endpoints: plain data, for a thread. */
export interface FleetRun {
  workload: TracePart | { synthetic: string };
  seed: number;
  /** Multiplies the rate of arrivals. */
  load: number;
  placement: PlacementUnderTest;
  /** What differs from the plainest there is: first come first served. */
  queueing?: Partial<QueueingConfig>;
  heartbeatUs?: number;
  reportDelayUs?: number;
  /** Whose requests don't count: of the others are the figures. */
  uncounted?: string;
}

/** A profile by name, or the least busy by what was seen at the last look, of which there is one in so many µs. */
export type PlacementUnderTest = string | { looksEveryUs: number };

/** What came of one run. */
export interface FleetOutcome {
  requests: number;
  /** Share of requests that met what they hoped for; NaN where none did. */
  goodput: number;
  ttftMs: { p50: number; p99: number };
  /** Of the prompts' tokens, those that were found in a cache. */
  hitShare: number;
  violations: string[];
}

/** The policy that stands in for those that believe reports is no part of Headgate. */
const SNAPSHOT_PROFILE = "snapshot";
Object.assign(SCORERS, catalogueOf([snapshotLoad]));

export async function runFleet(run: FleetRun): Promise<FleetOutcome> {
  const { seed, load, placement, queueing, heartbeatUs, reportDelayUs } = run;
  const workload = await workloadOf(run);
  const usual = schedulingOf(typeof placement === "string" ? placement : SNAPSHOT_PROFILE);
  const profiles = typeof placement === "string" ? {} : { [SNAPSHOT_PROFILE]: snapshotProfile(placement) };
  const result = runExperiment({
    seed,
    load,
    workload,
    fleet: [{ profile: ENGINE, count: ENDPOINTS }],
    stepNoise: STEP_NOISE,
    config: {
      scheduling: {
        ...usual,
        placement: { ...usual.placement, profiles },
        queueing: { ...usual.queueing, ...queueing },
      },
    },
    ...(heartbeatUs === undefined ? {} : { heartbeatUs }),
    ...(reportDelayUs === undefined ? {} : { reportDelayUs }),
  });
  return outcomeOf(result, run.uncounted);
}

async function workloadOf({ workload, seed }: FleetRun): Promise<Workload> {
  return "synthetic" in workload
    ? synthesise(workload.synthetic)
    : readTrace(workload, { seed, engine: ENGINE });
}

function snapshotProfile({ looksEveryUs }: { looksEveryUs: number }) {
  const parameters = { every: looksEveryUs / MICROS_PER_MILLI };
  return {
    filters: [],
    scorers: [{ name: snapshotLoad.name, parameters, weight: 1 }],
    picker: { name: "max-score", parameters: {} },
  };
}

function outcomeOf(result: ExperimentResult, uncounted: string | undefined): FleetOutcome {
  const requests = result.requests.filter(({ request }) => request.tenant !== uncounted);
  const ttfts = ascendingOf(defined(requests.map(ttftMsOf)));
  const met = requests.filter((request) => meetsSlo(request, null) === true).length;
  const read = requests.reduce((sum, { request }) => sum + request.promptTokens, 0);
  const cached = requests.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0);
  return {
    requests: requests.length,
    goodput: met / requests.length,
    ttftMs: { p50: quantileOfSorted(ttfts, 0.5), p99: quantileOfSorted(ttfts, 0.99) },
    hitShare: cached / read,
    violations: [
      ...result.violations.map(({ checker, message }) => `${checker}: ${message}`),
      ...result.requests
        .filter(({ outcome }) => outcome !== "completed")
        .map(({ outcome, error }) => `${outcome}: ${error}`),
    ],
  };
}
