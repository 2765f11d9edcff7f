import { Random } from "../../src/core/random.ts";
import { seconds } from "../../src/core/units.ts";
import type { ExperimentResult, RequestResult } from "../../src/simulator/lab/experiment.ts";
import type { WorkloadRequest } from "../../src/simulator/workloads/workload.ts";

/** A request as a test needs it: 100 tokens in, 11 out, dispatched at once, first token after 1 s, a token each 0.1 s. */
export function requestResult(
  changes: Partial<Omit<RequestResult, "request">> & { request?: Partial<WorkloadRequest> } = {},
): RequestResult {
  const arrivedUs = changes.arrivedUs ?? 0;
  const request: WorkloadRequest = {
    atUs: arrivedUs,
    tenant: "acme",
    model: null,
    promptTokens: 100,
    outputTokens: 11,
    maxTokens: null,
    blocks: [],
    session: null,
    priority: null,
    slo: null,
    ...changes.request,
  };
  return {
    arrivedUs,
    dispatchedUs: arrivedUs,
    firstTokenUs: arrivedUs + seconds(1),
    endUs: arrivedUs + seconds(2),
    outputTokens: 11,
    cachedTokens: 0,
    worker: "worker-1",
    attempts: 1,
    outcome: "completed",
    error: null,
    ...changes,
    request,
  };
}

export function resultOf(
  requests: readonly RequestResult[],
  changes: Partial<ExperimentResult> = {},
): ExperimentResult {
  return {
    seed: 1,
    requests: [...requests],
    samples: [],
    virtualSeconds: 10,
    service: new Map(),
    workerSeconds: 20,
    events: 100,
    hash: "0".repeat(64),
    violations: [],
    ...changes,
  };
}

/** Ten minutes of ten tenants with a rush in the middle: nothing real, but of a real shape. */
export function inventedResult(seed: number, count = 2_000): ExperimentResult {
  const random = new Random(seed);
  const endS = 600;
  const requests: RequestResult[] = [];
  const service = new Map<string, Float64Array>();
  for (let i = 0; i < count; i++) {
    const atS = (i / count) * endS;
    const rush = Math.exp(-(((atS - 300) / 60) ** 2));
    const arrivedUs = seconds(atS);
    const tenant = `tenant-${Math.floor(random.fraction() ** 2 * 10)}`;
    const outputTokens = 1 + Math.floor(random.exponential(200));
    const promptTokens = 50 + Math.floor(random.exponential(2_000));
    const firstS = atS + random.exponential(0.1) + rush * random.exponential(3);
    const toS = firstS + (outputTokens - 1) * (0.02 + 0.02 * rush * random.fraction());
    const failed = random.chance(0.01);
    requests.push(
      requestResult({
        request: { tenant, promptTokens, outputTokens },
        arrivedUs,
        dispatchedUs: seconds(atS + (firstS - atS) / 2),
        firstTokenUs: failed ? null : seconds(firstS),
        endUs: seconds(toS),
        outputTokens: failed ? 0 : outputTokens,
        cachedTokens: failed || random.chance(0.5) ? 0 : Math.floor(promptTokens / 2),
        outcome: failed ? "failed" : "completed",
        error: failed ? "no_capacity/queue_timeout" : null,
        worker: `worker-${random.between(1, 4)}`,
        attempts: random.chance(0.02) ? 2 : 1,
      }),
    );
    const row = service.get(tenant) ?? new Float64Array(endS + 60);
    service.set(tenant, row);
    const second = Math.min(row.length - 1, Math.floor(firstS));
    row[second] = row[second]! + promptTokens + 2 * outputTokens;
  }
  const samples = Array.from({ length: endS }, (_, second) => {
    const rush = Math.exp(-(((second - 320) / 70) ** 2));
    const kv = Array.from({ length: 4 }, () => Math.min(1, 0.2 + 0.7 * rush + random.fraction() * 0.1));
    return {
      atUs: seconds(second),
      waiting: Math.round(60 * rush * random.fraction()),
      running: Math.round(20 + 80 * rush),
      workers: 4,
      kv,
    };
  });
  return resultOf(requests, { seed, samples, service, virtualSeconds: endS + 10, workerSeconds: 4 * endS });
}
