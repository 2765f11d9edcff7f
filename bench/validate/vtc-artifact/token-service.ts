import { MICROS_PER_SECOND } from "../../../src/core/units.ts";
import type { ExperimentResult } from "../../../src/simulator/lab/experiment.ts";
import {
  differenceOf,
  type ServiceDifference,
  type TenantRates,
  WINDOW_S,
  windowsOf,
} from "../../../src/simulator/reports/service-difference.ts";

/** Service as it was given, token by token. */
export interface TokenService {
  difference: ServiceDifference;
  /** In all windows together, in weighted tokens a second. */
  served: number;
}

const INPUT_WEIGHT = 1;
const OUTPUT_WEIGHT = 2;

/** The service difference with service counted in the second in which tokens were read and generated. */
export function tokenServiceOf({ requests, service }: ExperimentResult): TokenService {
  const lastArrivalUs = Math.max(...requests.map(({ arrivedUs }) => arrivedUs));
  const windows = windowsOf(lastArrivalUs / MICROS_PER_SECOND).map((fromS) => {
    const rates = new Map<string, TenantRates>();
    for (const [tenant, seconds] of service) {
      rates.set(tenant, { served: servedFrom(fromS, seconds) / WINDOW_S, asked: 0 });
    }
    for (const { request, arrivedUs } of requests) {
      const sinceS = arrivedUs / MICROS_PER_SECOND - fromS;
      if (sinceS < 0 || sinceS >= WINDOW_S) continue;
      const weight = INPUT_WEIGHT * request.promptTokens + OUTPUT_WEIGHT * request.outputTokens;
      rates.get(request.tenant)!.asked += weight / WINDOW_S;
    }
    return [...rates.values()];
  });
  const served = windows.flat().reduce((sum, rate) => sum + rate.served, 0);
  return { difference: differenceOf(windows), served };
}

/** Within the window; of a second that its edge cuts, the part that lies inside. */
function servedFrom(fromS: number, seconds: Float64Array): number {
  const toS = fromS + WINDOW_S;
  let served = 0;
  for (let second = Math.floor(fromS); second < toS; second++) {
    served += (seconds[second] ?? 0) * (Math.min(toS, second + 1) - Math.max(fromS, second));
  }
  return served;
}
