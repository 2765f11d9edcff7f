import type { RequestResult } from "../../../src/simulator/lab/experiment.ts";
import { MICROS_PER_SECOND } from "../../../src/core/units.ts";
import {
  type ServiceDifference,
  serviceDifferenceOf,
} from "../../../src/simulator/reports/service-difference.ts";
import {
  type MeasuredResponse,
  readVtcResults,
} from "../../../src/simulator/workloads/readers/vtc-results.ts";

/** What one of the artifact's runs came to on its GPU. */
export interface Measured {
  difference: ServiceDifference;
  tokensPerSecond: number;
  seconds: number;
}

/** Of a file with one run; rejects with WorkloadProblem where it can't be read. */
export async function measuredIn(path: string): Promise<Measured> {
  const [run] = await readVtcResults(path);
  const { totalUs, responses } = run!;
  const tokens = responses.reduce(
    (sum, { promptTokens, outputTokens }) => sum + promptTokens + outputTokens,
    0,
  );
  const seconds = totalUs / MICROS_PER_SECOND;
  return {
    difference: serviceDifferenceOf(responses.map(resultOf))!,
    tokensPerSecond: tokens / seconds,
    seconds,
  };
}

/** A measured response as the simulator would have it. */
function resultOf({ tenant, promptTokens, outputTokens, ...times }: MeasuredResponse): RequestResult {
  const { arrivedUs, firstTokenUs } = times;
  return {
    ...times,
    request: {
      atUs: arrivedUs,
      tenant,
      model: null,
      promptTokens,
      outputTokens,
      maxTokens: null,
      blocks: [],
      session: null,
      priority: null,
      slo: null,
    },
    dispatchedUs: firstTokenUs,
    outputTokens: firstTokenUs === null ? 0 : outputTokens,
    cachedTokens: 0,
    worker: null,
    attempts: 1,
    outcome: firstTokenUs === null ? "failed" : "completed",
    error: null,
  };
}
