import type { RunMetrics } from "./metrics.ts";
import { msText, numberText, shareText } from "./numbers.ts";

// Tables of a run as the terminal and the page both show them: a header, and rows of as many cells.

const LATENCY_FIGURES = ["mean", "p50", "p90", "p99", "max"] as const;

export const LATENCY_HEADER = ["latency", ...LATENCY_FIGURES, "requests"];

export function latencyRows({ ttftMs, tpotMs, totalMs, queueMs }: RunMetrics): string[][] {
  const latencies = [
    ["time to first token", ttftMs],
    ["time per output token", tpotMs],
    ["whole answer", totalMs],
    ["wait in the queue", queueMs],
  ] as const;
  return latencies.map(([name, times]) => [
    name,
    ...LATENCY_FIGURES.map((figure) => msText(times?.[figure] ?? null)),
    numberText(times?.count ?? 0),
  ]);
}

export const TENANT_HEADER = [
  "tenant",
  "requests",
  "completed",
  "of all service",
  "TTFT p50",
  "TTFT p99",
  "met the SLO",
];

/** Those who were served most, so many at most; `hidden` counts the others. */
export function tenantRows({ tenants }: RunMetrics, max: number): { rows: string[][]; hidden: number } {
  const rows = tenants
    .slice(0, max)
    .map(({ tenant, requests, completed, serviceShare, ttftMs, goodputShare }) => [
      tenant,
      numberText(requests),
      numberText(completed),
      shareText(serviceShare),
      msText(ttftMs?.p50 ?? null),
      msText(ttftMs?.p99 ?? null),
      shareText(goodputShare),
    ]);
  return { rows, hidden: tenants.length - rows.length };
}

export const FAILURE_HEADER = ["not completed", "requests"];

export function failureRows({ failures }: RunMetrics): string[][] {
  return Object.entries(failures).map(([error, count]) => [error, numberText(count)]);
}
