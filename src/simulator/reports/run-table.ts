import { table } from "../../cli/table.ts";
import type { RunMetrics } from "./metrics.ts";
import { msText, numberText, secondsText, shareText } from "./numbers.ts";

const TENANTS_SHOWN_MAX = 12;

/** What a run came to, for the terminal. */
export function runTable(metrics: RunMetrics): string {
  const { ttftMs, tpotMs, totalMs, queueMs, tenants, failures } = metrics;
  const latencies = [
    ["time to first token", ttftMs] as const,
    ["time per output token", tpotMs] as const,
    ["whole answer", totalMs] as const,
    ["wait in the queue", queueMs] as const,
  ].map(([name, times]) => [
    name,
    ...(["mean", "p50", "p90", "p99", "max"] as const).map((figure) => msText(times?.[figure] ?? null)),
  ]);
  const sections = [
    table(["latency", "mean", "p50", "p90", "p99", "max"], latencies),
    table(["", ""], factsOf(metrics)).trimStart(),
  ];
  if (tenants.length > 1) sections.push(tenantTable(metrics));
  const failed = Object.entries(failures).map(([error, count]) => [error, numberText(count)]);
  if (failed.length > 0) sections.push(table(["not completed", "requests"], failed));
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

function tenantTable({ tenants }: RunMetrics): string {
  const rows = tenants
    .slice(0, TENANTS_SHOWN_MAX)
    .map(({ tenant, requests, completed, serviceShare, ttftMs, goodputShare }) => [
      tenant,
      numberText(requests),
      numberText(completed),
      shareText(serviceShare),
      msText(ttftMs?.p50 ?? null),
      msText(ttftMs?.p99 ?? null),
      shareText(goodputShare),
    ]);
  const text = table(
    ["tenant", "requests", "completed", "service", "TTFT p50", "TTFT p99", "met the SLO"],
    rows,
  );
  const hidden = tenants.length - rows.length;
  return hidden > 0 ? `${text}\n… and ${hidden} more, who were served less` : text;
}
