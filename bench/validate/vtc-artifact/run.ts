import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { catalogueOf, type PolicyChoice } from "../../../src/core/policy.ts";
import { FAIRNESS } from "../../../src/core/queueing/catalogues.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import {
  type ServiceDifference,
  serviceDifferenceOf,
} from "../../../src/simulator/reports/service-difference.ts";
import { readWorkload } from "../../../src/simulator/workloads/read-workload.ts";
import type { Workload } from "../../../src/simulator/workloads/workload.ts";
import { vtcOracle } from "./oracle.ts";
import { artifactServer } from "./server.ts";
import { type TokenService, tokenServiceOf } from "./token-service.ts";

/** One run of the artifact's server in the simulator, behind our supervisor: plain data, for a thread. */
export interface ArtifactRun {
  /** Its own trace, or the arrivals of one of its measured runs. */
  format: "vtc-trace" | "vtc-results";
  path: string;
  /** Clients that have something running, on average. */
  clientsAtATime: number;
  /** One of the catalogue, or `vtc-oracle`. */
  fairness: PolicyChoice;
  seed: number;
}

/** What came of it. */
export interface ArtifactOutcome {
  /** With the service of a request spread evenly from its first token to its end, as the artifact has it. */
  difference: ServiceDifference;
  /** With service counted when tokens were read and generated. */
  tokens: TokenService;
  /** Tokens of prompts and answers in all the time. */
  tokensPerSecond: number;
  /** Until the last request had ended. */
  seconds: number;
  /** Requests that were not answered to their end. */
  unanswered: number;
}

/** Relative standard deviation of the duration of a step. */
const STEP_NOISE = 0.03;
/** The supervisor hears of tokens as often as the engine could begin prompts. */
const BURST_TOKENS = 10;

const workloads = new Map<string, Workload>();

/** Rejects when the trace can't be read, or a checker found something. */
export async function runArtifact(run: ArtifactRun): Promise<ArtifactOutcome> {
  const workload = await workloadOf(run);
  // Clients number their requests from 1, in the order of the workload.
  const oracle = vtcOracle((id) => workload.requests[Number(id.slice(1)) - 1]!.outputTokens);
  Object.assign(FAIRNESS, catalogueOf([oracle]));
  const scheduling = schedulingOf("least-request");
  const queueing = { ...scheduling.queueing, fairness: run.fairness };
  const result = runExperiment({
    seed: run.seed,
    fleet: [{ profile: artifactServer(run.clientsAtATime), count: 1 }],
    workload,
    config: { scheduling: { ...scheduling, queueing } },
    stepNoise: STEP_NOISE,
    burstTokens: BURST_TOKENS,
  });
  const [violation] = result.violations;
  if (violation !== undefined) throw new Error(`${violation.checker}: ${violation.message}`);
  const { requests, virtualSeconds: seconds } = result;
  const tokens = requests.reduce(
    (sum, { request, outputTokens }) => sum + request.promptTokens + outputTokens,
    0,
  );
  return {
    difference: serviceDifferenceOf(requests)!,
    tokens: tokenServiceOf(result),
    tokensPerSecond: tokens / seconds,
    seconds,
    unanswered: requests.filter(({ outcome }) => outcome !== "completed").length,
  };
}

async function workloadOf({ format, path }: ArtifactRun): Promise<Workload> {
  const known = workloads.get(path);
  if (known !== undefined) return known;
  const workload = await readWorkload(format, path);
  workloads.set(path, workload);
  return workload;
}
