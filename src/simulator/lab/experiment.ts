import type { LimitRow } from "../../core/budget/limits.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { Micros } from "../../core/units.ts";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import type { Violation } from "../checkers/suite.ts";
import type { Fault } from "../faults.ts";
import type { Workload, WorkloadRequest } from "../workloads/workload.ts";

/** Workers of one kind in a simulated fleet. */
export interface WorkerGroup {
  profile: EngineProfile;
  count: number;
  /** What its endpoints are asked to do: see `topology` in the configuration. */
  role?: "both" | "prefill" | "decode";
  labels?: Readonly<Record<string, string>>;
  /**
   * How much more KV cache workers say they have than there is, as a factor: beyond 1 the engine preempts where
   * answers get long. 1 if absent, and no limit where the engine itself admits by peaks.
   */
  kvOvercommit?: number;
}

/** Adds and removes workers of a group while the experiment runs. */
export interface ScalingRule {
  group: number;
  countMin: number;
  countMax: number;
  /** A worker is added while more requests than this wait or run for each that is up or starting. */
  targetPerWorker: number;
  /** How often it looks, and how long it has to be low before a worker is taken away. */
  intervalUs: Micros;
  cooldownUs: Micros;
}

/** One run: a fleet, a workload, the scheduler's configuration, and a seed that decides all the rest. */
export interface Experiment {
  seed: number;
  fleet: readonly WorkerGroup[];
  workload: Workload;
  /** Parts of the configuration that differ from the laboratory's, such as the policies under test. */
  config?: Partial<CoreConfig>;
  /** Budgets of tenants, whose accounts are `global/<tenant>`; none if absent. Windows are of the calendar in UTC. */
  limits?: readonly LimitRow[];
  /** Multiplies the rate of arrivals: 2 halves all gaps. */
  load?: number;
  /** Relative standard deviation of the duration of a step; 0 if absent. */
  stepNoise?: number;
  faults?: readonly Fault[];
  scaling?: ScalingRule;
  /** 1 s if absent. */
  heartbeatUs?: Micros;
  /** How old a report is when it arrives, on top of the network. */
  reportDelayUs?: Micros;
  /** Mean of a message; 250 µs if absent, and half of that more or less. */
  networkDelayUs?: Micros;
  /** How long the ledger's disk takes to make a group durable; 1 ms if absent. */
  ledgerUs?: Micros;
  /**
   * The supervisor is told of so many tokens of an answer together, besides the first, the last, and those at which
   * more credit is due; 128 if absent. Policies that count tokens as they come see them this late.
   */
  burstTokens?: number;
  /** One event for each token instead of one for each edge of a packet: slower, and decides the same. */
  perToken?: boolean;
  /** How often queue, KV cache and running requests are sampled; never if absent. */
  sampleEveryUs?: Micros;
  /** Called every 100 requests that have ended. */
  onProgress?: (done: { requests: number; of: number; virtualSeconds: number }) => void;
  /** Asked as often: the run ends at once, incomplete and unchecked, when it says so. */
  shouldStop?: () => boolean;
}

/** How one request went; times count from the beginning of the experiment. */
export interface RequestResult {
  request: WorkloadRequest;
  arrivedUs: Micros;
  dispatchedUs: Micros | null;
  firstTokenUs: Micros | null;
  endUs: Micros;
  outputTokens: number;
  cachedTokens: number;
  /** Where it ended: the last worker it was sent to; null if none. */
  worker: string | null;
  attempts: number;
  outcome: "completed" | "failed" | "abandoned" | "dropped";
  /** `code` or `code/reason` of a failure. */
  error: string | null;
}

/** The state of the fleet at one moment. */
export interface Sample {
  atUs: Micros;
  waiting: number;
  running: number;
  workers: number;
  /** Share of the KV cache in use, one figure a worker. */
  kv: number[];
}

export interface ExperimentResult {
  seed: number;
  requests: RequestResult[];
  samples: Sample[];
  /** Until the last request had ended. */
  virtualSeconds: number;
  /** By tenant and second: input + 2 × output tokens, counted when the prompt was read and each token generated. */
  service: Map<string, Float64Array>;
  /** Seconds that workers were there, starting ones too, until the last request had ended: what the fleet costs. */
  workerSeconds: number;
  events: number;
  /** Of all effects, as in `SimulationReport`. */
  hash: string;
  violations: Violation[];
}
