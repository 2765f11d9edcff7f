import type { Scheduling } from "../../core/config.ts";
import type { Slo } from "../../core/vocabulary.ts";
import type { Fault } from "../faults.ts";
import type { Experiment, ExperimentResult, ScalingRule, WorkerGroup } from "../lab/experiment.ts";
import { runExperiment } from "../lab/run-experiment.ts";
import { quantileCurve } from "../reports/distribution.ts";
import { metricsOf, type RunMetrics, tpotMsOf, ttftMsOf } from "../reports/metrics.ts";
import type { Workload } from "../workloads/workload.ts";
import { loadWorkload, type WorkloadSource } from "./workload-source.ts";

/** All that decides a run, as plain data: it can be sent to a thread, and kept beside the result. */
export interface TrialPlan {
  workload: WorkloadSource;
  fleet: readonly WorkerGroup[];
  scheduling: Scheduling;
  load: number;
  seed: number;
  slo: Slo | null;
  stepNoise: number;
  faults: readonly Fault[];
  scaling: ScalingRule | null;
  reportDelayUs: number;
  /** Null for the laboratory's own. */
  networkDelayUs: number | null;
  perToken: boolean;
  /** 0: never. */
  sampleEveryUs: number;
}

export interface TrialOutcome {
  seed: number;
  load: number;
  /** As the workload names itself. */
  workload: string;
  metrics: RunMetrics;
  /** Quantiles at even steps, in milliseconds. */
  ttftCurve: number[];
  tpotCurve: number[];
  hash: string;
  /** What the checkers found, in words. */
  violations: string[];
  /** Only where it was asked for: it holds every request. */
  result: ExperimentResult | null;
}

export interface TrialWatch {
  onProgress: (done: TrialProgress) => void;
  shouldStop: () => boolean;
}

export interface TrialProgress {
  requests: number;
  of: number;
  virtualSeconds: number;
}

const CURVE_STEPS = 100;
const VIOLATIONS_MAX = 20;

/** Runs a plan to its end, or until it is told to stop. Rejects when the plan can't be run. */
export async function runTrial(
  plan: TrialPlan,
  watch: TrialWatch & { keepResult: boolean },
): Promise<TrialOutcome> {
  const experiment = experimentOf(plan, await loadWorkload(plan.workload, plan.seed));
  const ran = runExperiment({ ...experiment, ...watch });
  // Of a run that was stopped, what had not ended says nothing.
  const result = watch.shouldStop()
    ? { ...ran, requests: ran.requests.filter(({ endUs }) => endUs > 0) }
    : ran;
  const values = (of: typeof ttftMsOf): number[] => result.requests.map(of).filter((ms) => ms !== null);
  return {
    seed: plan.seed,
    load: plan.load,
    workload: experiment.workload.name,
    metrics: metricsOf(result, plan.slo),
    ttftCurve: quantileCurve(values(ttftMsOf), CURVE_STEPS),
    tpotCurve: quantileCurve(values(tpotMsOf), CURVE_STEPS),
    hash: result.hash,
    violations: result.violations
      .slice(0, VIOLATIONS_MAX)
      .map(({ checker, request, message }) => `${checker}: ${request ?? ""} ${message}`),
    result: watch.keepResult ? result : null,
  };
}

function experimentOf(plan: TrialPlan, workload: Workload): Experiment {
  const {
    seed,
    fleet,
    load,
    stepNoise,
    faults,
    reportDelayUs,
    networkDelayUs,
    perToken,
    scaling,
    sampleEveryUs,
  } = plan;
  return {
    seed,
    fleet,
    workload,
    config: { scheduling: plan.scheduling },
    load,
    stepNoise,
    faults,
    reportDelayUs,
    perToken,
    ...(networkDelayUs === null ? {} : { networkDelayUs }),
    ...(scaling === null ? {} : { scaling }),
    ...(sampleEveryUs === 0 ? {} : { sampleEveryUs }),
  };
}
