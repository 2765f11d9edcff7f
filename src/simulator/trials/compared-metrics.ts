import type { RunMetrics } from "../reports/metrics.ts";
import { msText, numberText, shareText } from "../reports/numbers.ts";

/** A figure that policies are compared by. */
export interface ComparedMetric {
  /** In JSON and CSV; with its unit. */
  name: string;
  /** In tables. */
  label: string;
  better: "lower" | "higher";
  /** Null where a run has no such figure. */
  of: (metrics: RunMetrics) => number | null;
  format: (value: number) => string;
}

export const COMPARED: readonly ComparedMetric[] = [
  {
    name: "goodput_share",
    label: "met the SLO",
    better: "higher",
    of: ({ goodput }) => goodput?.share ?? null,
    format: shareText,
  },
  {
    name: "ttft_p50_ms",
    label: "TTFT p50",
    better: "lower",
    of: ({ ttftMs }) => ttftMs?.p50 ?? null,
    format: msText,
  },
  {
    name: "ttft_p99_ms",
    label: "TTFT p99",
    better: "lower",
    of: ({ ttftMs }) => ttftMs?.p99 ?? null,
    format: msText,
  },
  {
    name: "tpot_p50_ms",
    label: "TPOT p50",
    better: "lower",
    of: ({ tpotMs }) => tpotMs?.p50 ?? null,
    format: msText,
  },
  {
    name: "tpot_p99_ms",
    label: "TPOT p99",
    better: "lower",
    of: ({ tpotMs }) => tpotMs?.p99 ?? null,
    format: msText,
  },
  {
    name: "total_p99_ms",
    label: "whole p99",
    better: "lower",
    of: ({ totalMs }) => totalMs?.p99 ?? null,
    format: msText,
  },
  {
    name: "output_tokens_per_second",
    label: "tokens/s",
    better: "higher",
    of: ({ outputTokensPerSecond }) => outputTokensPerSecond,
    format: numberText,
  },
  {
    name: "prefix_hit_share",
    label: "prefix hits",
    better: "higher",
    of: ({ prefixHitShare }) => prefixHitShare,
    format: shareText,
  },
  {
    name: "service_difference",
    label: "unfairness",
    better: "lower",
    of: ({ serviceDifference }) => serviceDifference?.mean ?? null,
    format: numberText,
  },
  {
    name: "completed_share",
    label: "completed",
    better: "higher",
    of: ({ completed, requests }) => (requests === 0 ? null : completed / requests),
    format: shareText,
  },
  {
    name: "worker_hours",
    label: "worker h",
    better: "lower",
    of: ({ workerSeconds }) => workerSeconds / 3_600,
    format: numberText,
  },
];

export function comparedMetric(name: string): ComparedMetric {
  const metric = COMPARED.find((known) => known.name === name);
  if (metric === undefined) throw new Error(`There is no metric ${name}.`);
  return metric;
}
