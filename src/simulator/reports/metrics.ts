import { MICROS_PER_MILLI } from "../../core/units.ts";
import type { Slo } from "../../core/vocabulary.ts";
import type { ExperimentResult, RequestResult } from "../lab/experiment.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import { type ServiceDifference, serviceDifferenceOf } from "./service-difference.ts";

/** What one run came to. Times in milliseconds, rates per second of virtual time. */
export interface RunMetrics {
  requests: number;
  completed: number;
  /** From arrival to the first token, of all requests that got one. */
  ttftMs: Distribution | null;
  /** Between two tokens of an answer, on average over it; of completed requests with two tokens at least. */
  tpotMs: Distribution | null;
  /** From arrival to the end; of completed requests. */
  totalMs: Distribution | null;
  /** From arrival until it was sent to a worker; of all that were. */
  queueMs: Distribution | null;
  /** Null where neither the run nor a request says what it hopes for. */
  goodput: Goodput | null;
  requestsPerSecond: number;
  outputTokensPerSecond: number;
  /** Input and output. */
  tokensPerSecond: number;
  /** Of input tokens that were read by an engine: the share that it found in its KV cache. */
  prefixHitShare: number | null;
  /** Share of the KV cache in use over all workers and samples; null without samples. */
  kvShare: { mean: number; max: number } | null;
  waiting: { mean: number; max: number } | null;
  /** Null with a single tenant. */
  serviceDifference: ServiceDifference | null;
  /** The most served first. */
  tenants: TenantMetrics[];
  /** How often each error was given, the most frequent first; `code` or `code/reason`. */
  failures: Record<string, number>;
  retried: number;
  virtualSeconds: number;
  workerSeconds: number;
  events: number;
  violations: number;
}

export interface Goodput {
  /** Completed requests that met what was hoped for, in TTFT and in TPOT. */
  met: number;
  /** Of all requests that hope for something: those that failed count against it. */
  share: number;
  perSecond: number;
}

export interface TenantMetrics {
  tenant: string;
  requests: number;
  completed: number;
  /** Input + 2 × output tokens. */
  service: number;
  /** Of the service of all tenants. */
  serviceShare: number;
  ttftMs: Distribution | null;
  goodputShare: number | null;
}

/** `slo` holds for requests that bring none of their own. */
export function metricsOf(result: ExperimentResult, slo: Slo | null): RunMetrics {
  const { requests, samples, virtualSeconds } = result;
  const completed = requests.filter(isCompleted);
  const read = requests.filter(({ firstTokenUs }) => firstTokenUs !== null);
  const outputTokens = sum(requests, (request) => request.outputTokens);
  const inputTokens = sum(read, ({ request }) => request.promptTokens);
  const perSecond = (count: number): number => (virtualSeconds === 0 ? 0 : count / virtualSeconds);
  return {
    requests: requests.length,
    completed: completed.length,
    ttftMs: distributionOf(defined(requests.map(ttftMsOf))),
    tpotMs: distributionOf(defined(requests.map(tpotMsOf))),
    totalMs: distributionOf(completed.map(totalMsOf)),
    queueMs: distributionOf(defined(requests.map(queueMsOf))),
    goodput: goodputOf(requests, { slo, virtualSeconds }),
    requestsPerSecond: perSecond(completed.length),
    outputTokensPerSecond: perSecond(outputTokens),
    tokensPerSecond: perSecond(inputTokens + outputTokens),
    prefixHitShare: inputTokens === 0 ? null : sum(read, ({ cachedTokens }) => cachedTokens) / inputTokens,
    kvShare: meanAndMax(samples.flatMap(({ kv }) => kv)),
    waiting: meanAndMax(samples.map(({ waiting }) => waiting)),
    serviceDifference: serviceDifferenceOf(requests),
    tenants: tenantsOf(result, slo),
    failures: failuresOf(requests),
    retried: requests.filter(({ attempts }) => attempts > 1).length,
    virtualSeconds,
    workerSeconds: result.workerSeconds,
    events: result.events,
    violations: result.violations.length,
  };
}

export function isCompleted({ outcome }: RequestResult): boolean {
  return outcome === "completed";
}

export function ttftMsOf({ arrivedUs, firstTokenUs }: RequestResult): number | null {
  return firstTokenUs === null ? null : (firstTokenUs - arrivedUs) / MICROS_PER_MILLI;
}

/** (end − first token) / (tokens − 1); null for an answer of one token, and one that broke off. */
export function tpotMsOf(result: RequestResult): number | null {
  const { firstTokenUs, endUs, outputTokens } = result;
  if (!isCompleted(result) || firstTokenUs === null || outputTokens < 2) return null;
  return (endUs - firstTokenUs) / (outputTokens - 1) / MICROS_PER_MILLI;
}

export function totalMsOf({ arrivedUs, endUs }: RequestResult): number {
  return (endUs - arrivedUs) / MICROS_PER_MILLI;
}

export function queueMsOf({ arrivedUs, dispatchedUs }: RequestResult): number | null {
  return dispatchedUs === null ? null : (dispatchedUs - arrivedUs) / MICROS_PER_MILLI;
}

/** Whether a request was completed as fast as was hoped; null where nobody hoped for anything. */
export function meetsSlo(result: RequestResult, runSlo: Slo | null): boolean | null {
  const slo = result.request.slo ?? runSlo;
  if (slo === null) return null;
  const ttftMs = ttftMsOf(result);
  if (!isCompleted(result) || ttftMs === null) return false;
  return ttftMs * MICROS_PER_MILLI <= slo.ttftUs && (tpotMsOf(result) ?? 0) * MICROS_PER_MILLI <= slo.tpotUs;
}

function goodputOf(
  requests: readonly RequestResult[],
  { slo, virtualSeconds }: { slo: Slo | null; virtualSeconds: number },
): Goodput | null {
  const judged = defined(requests.map((request) => meetsSlo(request, slo)));
  if (judged.length === 0) return null;
  const met = judged.filter((meets) => meets).length;
  return { met, share: met / judged.length, perSecond: virtualSeconds === 0 ? 0 : met / virtualSeconds };
}

function tenantsOf({ requests, service }: ExperimentResult, slo: Slo | null): TenantMetrics[] {
  const served = new Map([...service].map(([tenant, perSecond]) => [tenant, total(perSecond)]));
  const all = total([...served.values()]);
  return [...Map.groupBy(requests, ({ request }) => request.tenant)]
    .map(([tenant, own]) => ({
      tenant,
      requests: own.length,
      completed: own.filter(isCompleted).length,
      service: served.get(tenant) ?? 0,
      serviceShare: all === 0 ? 0 : (served.get(tenant) ?? 0) / all,
      ttftMs: distributionOf(defined(own.map(ttftMsOf))),
      goodputShare: goodputOf(own, { slo, virtualSeconds: 1 })?.share ?? null,
    }))
    .sort((a, b) => b.service - a.service || (a.tenant < b.tenant ? -1 : 1));
}

function failuresOf(requests: readonly RequestResult[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { outcome, error } of requests) {
    if (outcome === "completed") continue;
    const why = error ?? outcome;
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

function meanAndMax(values: readonly number[]): { mean: number; max: number } | null {
  if (values.length === 0) return null;
  return {
    mean: total(values) / values.length,
    max: values.reduce((most, value) => Math.max(most, value), -Infinity),
  };
}

export function defined<T>(values: readonly (T | null)[]): T[] {
  return values.filter((value) => value !== null);
}

function total(values: Iterable<number>): number {
  let all = 0;
  for (const value of values) all += value;
  return all;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}
