import { table } from "../../cli/table.ts";
import type { RunMetrics } from "./metrics.ts";
import { numberText, secondsText, shareText } from "./numbers.ts";
import {
  FAILURE_HEADER,
  failureRows,
  LATENCY_HEADER,
  latencyRows,
  TENANT_HEADER,
  tenantRows,
} from "./run-rows.ts";

const TENANTS_SHOWN_MAX = 12;

/** What a run came to, for the terminal. */
export function runTable(metrics: RunMetrics): string {
  const sections = [
    table(LATENCY_HEADER, latencyRows(metrics)),
    table(["", ""], factsOf(metrics)).trimStart(),
  ];
  if (metrics.tenants.length > 1) sections.push(tenantTable(metrics));
  const failed = failureRows(metrics);
  if (failed.length > 0) sections.push(table(FAILURE_HEADER, failed));
  return `${sections.join("\n\n")}\n`;
}

function factsOf(metrics: RunMetrics): string[][] {
  const { goodput, kvShare, waiting, serviceDifference, requests, completed } = metrics;
  const facts: [string, string][] = [
    [
      "requests",
      `${numberText(requests)}, ${numberText(completed)} completed, ${numberText(metrics.retried)} sent more than once`,
    ],
  ];
  if (goodput !== null)
    facts.push(["met the SLO", `${shareText(goodput.share)}, ${numberText(goodput.perSecond)} requests/s`]);
  facts.push([
    "throughput",
    `${numberText(metrics.requestsPerSecond)} requests/s, ${numberText(metrics.outputTokensPerSecond)} output tokens/s, ${numberText(metrics.tokensPerSecond)} tokens/s in all`,
  ]);
  facts.push(["prefix hits", `${shareText(metrics.prefixHitShare)} of input tokens`]);
  if (kvShare !== null)
    facts.push(["KV cache in use", `${shareText(kvShare.mean)}, at most ${shareText(kvShare.max)}`]);
  if (waiting !== null)
    facts.push(["waiting", `${numberText(waiting.mean)} requests, at most ${numberText(waiting.max)}`]);
  if (serviceDifference !== null) {
    const { mean, max } = serviceDifference;
    facts.push(["service difference", `${numberText(mean)} weighted tokens/s, at most ${numberText(max)}`]);
  }
  facts.push(["fleet", `${numberText(metrics.workerSeconds / 3_600)} hours of worker time`]);
  facts.push([
    "virtual time",
    `${secondsText(metrics.virtualSeconds)}, ${numberText(metrics.events)} events`,
  ]);
  return facts;
}

function tenantTable(metrics: RunMetrics): string {
  const { rows, hidden } = tenantRows(metrics, TENANTS_SHOWN_MAX);
  const text = table(TENANT_HEADER, rows);
  return hidden > 0 ? `${text}\n… and ${hidden} more, who were served less` : text;
}
