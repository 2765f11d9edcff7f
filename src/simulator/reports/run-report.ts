import type { Slo } from "../../core/vocabulary.ts";
import type { ExperimentResult } from "../lab/experiment.ts";
import { chartsHtml } from "./html/chart.ts";
import {
  alarmHtml,
  noteHtml,
  noticeHtml,
  pageHtml,
  type Provenance,
  provenanceHtml,
  sectionHtml,
  tableHtml,
  tilesHtml,
} from "./html/page.ts";
import { defined, type RunMetrics, tpotMsOf, ttftMsOf } from "./metrics.ts";
import { msText, numberText, secondsText, shareText } from "./numbers.ts";
import {
  FAILURE_HEADER,
  failureRows,
  LATENCY_HEADER,
  latencyRows,
  TENANT_HEADER,
  tenantRows,
} from "./run-rows.ts";
import { distributionChart, kvChart, latencyOverTimeChart, queueChart, serviceChart } from "./series.ts";

/** A run and all that was said to make it. */
export interface RunReport {
  /** What was simulated, in a line each. */
  workload: string;
  fleet: string;
  policies: string;
  load: number;
  slo: Slo | null;
  /** It was ended before its end. */
  stopped: boolean;
  result: ExperimentResult;
  metrics: RunMetrics;
}

const VIOLATIONS_SHOWN_MAX = 20;
const TENANTS_SHOWN_MAX = 50;

/** The HTML report of one run. */
export function runReportHtml(report: RunReport, provenance: Provenance): string {
  const { workload, fleet, policies, load, result, metrics, slo } = report;
  return pageHtml({
    title: `${workload} on ${fleet}`,
    lead: `${policies} · load × ${numberText(load)} · seed ${result.seed} · ${numberText(metrics.requests)} requests in ${secondsText(metrics.virtualSeconds)} of virtual time`,
    body: [
      report.stopped
        ? noticeHtml("The run was stopped early: what follows is of the requests that had ended.")
        : "",
      violationsHtml(result),
      tilesHtml(tilesOf(metrics)),
      sectionHtml(
        "Latency",
        chartsHtml([
          distributionChart(
            {
              title: "Time to first token",
              caption: "From the arrival of a request to its first token, the wait in the queue included.",
              hopedUs: slo?.ttftUs ?? null,
            },
            [{ name: "time to first token", values: defined(result.requests.map(ttftMsOf)) }],
          ),
          distributionChart(
            {
              title: "Time per output token",
              caption: "Between two tokens of an answer, on average over the answer.",
              hopedUs: slo?.tpotUs ?? null,
            },
            [{ name: "time per output token", values: defined(result.requests.map(tpotMsOf)) }],
          ),
          latencyOverTimeChart(result, slo),
        ]),
        tableHtml(LATENCY_HEADER, latencyRows(metrics)),
      ),
      sectionHtml("Load", chartsHtml([queueChart(result), kvChart(result)])),
      tenantsHtml(report),
      failuresHtml(metrics),
      provenanceHtml(provenance, [
        ["seed", String(result.seed)],
        ["workload", workload],
        ["fleet", fleet],
        ["policies", policies],
        ["load", `× ${numberText(load)}`],
        ["hash of effects", result.hash],
      ]),
    ],
  });
}

function tilesOf(metrics: RunMetrics): [string, string, string?][] {
  const { ttftMs, tpotMs, goodput, kvShare, serviceDifference } = metrics;
  return [
    ["TTFT, p99", msText(ttftMs?.p99 ?? null), `median ${msText(ttftMs?.p50 ?? null)}`],
    ["TPOT, p99", msText(tpotMs?.p99 ?? null), `median ${msText(tpotMs?.p50 ?? null)}`],
    ...(goodput === null
      ? []
      : [
          ["met the SLO", shareText(goodput.share), `${numberText(goodput.perSecond)} requests/s`] as [
            string,
            string,
            string,
          ],
        ]),
    [
      "completed",
      shareText(metrics.completed / Math.max(1, metrics.requests)),
      `${numberText(metrics.completed)} requests`,
    ],
    ["output", `${numberText(metrics.outputTokensPerSecond)}/s`, "tokens"],
    ["prefix hits", shareText(metrics.prefixHitShare), "of input tokens"],
    ...(kvShare === null
      ? []
      : [
          ["KV cache", shareText(kvShare.mean), `at most ${shareText(kvShare.max)}`] as [
            string,
            string,
            string,
          ],
        ]),
    ...(serviceDifference === null
      ? []
      : [
          [
            "unfairness",
            numberText(serviceDifference.mean),
            `at most ${numberText(serviceDifference.max)}`,
          ] as [string, string, string],
        ]),
    ["fleet", `${numberText(metrics.workerSeconds / 3_600)} h`, "of worker time"],
  ];
}

function tenantsHtml({ result, metrics }: RunReport): string {
  const { tenants, serviceDifference } = metrics;
  if (tenants.length < 2) return "";
  const { rows, hidden } = tenantRows(metrics, TENANTS_SHOWN_MAX);
  return sectionHtml(
    "Tenants",
    chartsHtml([serviceChart(result)]),
    serviceDifference === null
      ? ""
      : noteHtml(
          `Service difference: ${numberText(serviceDifference.mean)} on average, ${numberText(serviceDifference.max)} at most, in weighted tokens a second; 0 is ideal.`,
        ),
    tableHtml(TENANT_HEADER, rows),
    hidden > 0 ? noteHtml(`${hidden} more, which were served less, are in the JSON output.`) : "",
  );
}

function failuresHtml(metrics: RunMetrics): string {
  const rows = failureRows(metrics);
  return rows.length === 0 ? "" : sectionHtml("What did not complete", tableHtml(FAILURE_HEADER, rows));
}

function violationsHtml({ violations }: ExperimentResult): string {
  if (violations.length === 0) return "";
  const shown = violations
    .slice(0, VIOLATIONS_SHOWN_MAX)
    .map(({ checker, request, message }) => `${checker}: ${request ?? ""} ${message}`);
  return alarmHtml(`${violations.length} violations were found: don't trust this run.`, shown);
}
