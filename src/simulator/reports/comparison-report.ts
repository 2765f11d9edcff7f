import { MICROS_PER_MILLI } from "../../core/units.ts";
import type { Slo } from "../../core/vocabulary.ts";
import { comparedMetric } from "../trials/compared-metrics.ts";
import type { ComparedRun, Comparison } from "../trials/comparison.ts";
import { differenceText, figureRows, highestLoadText, relativeText } from "./comparison-table.ts";
import { type Chart, chartsHtml, type Series } from "./html/chart.ts";
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
import { msText, numberText, shareText } from "./numbers.ts";
import { hopedMarks } from "./series.ts";

/** A comparison and what was said to make it. */
export interface ComparisonReport {
  workload: string;
  fleet: string;
  slo: Slo | null;
  shareMin: number | null;
  comparison: Comparison;
}

const VIOLATIONS_SHOWN_MAX = 10;

/** The HTML report of a comparison. */
export function comparisonReportHtml(report: ComparisonReport, provenance: Provenance): string {
  const { workload, fleet, slo, comparison } = report;
  const { runs } = comparison;
  const policies = [...new Set(runs.map(({ policy }) => policy))];
  const loads = [...new Set(runs.map(({ load }) => load))].sort((a, b) => a - b);
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b);
  const shown = loads[Math.floor(loads.length / 2)] ?? 1;
  const against = [
    "goodput_share",
    "ttft_p99_ms",
    "ttft_p50_ms",
    "tpot_p99_ms",
    "prefix_hit_share",
    "service_difference",
  ];
  const curves =
    loads.length < 2 ? [] : against.map((metric) => againstLoad(report, metric)).filter(hasPoints);
  return pageHtml({
    title: `${policies.length} policies on ${workload}`,
    lead: `${fleet} · ${loads.length} loads · ${seeds.length} seeds · ${runs.length} runs${sloText(slo)}`,
    body: [
      comparison.stopped
        ? noticeHtml("The comparison was stopped early: only what had ended by then is counted.")
        : "",
      violationsHtml(comparison),
      highestLoadsHtml(report),
      curves.length === 0
        ? ""
        : sectionHtml(
            "Against load",
            noteHtml("A band is the confidence interval over the seeds."),
            chartsHtml(curves),
          ),
      sectionHtml(
        `Latency at load × ${numberText(shown)}`,
        noteHtml("Quantiles, averaged over the seeds."),
        chartsHtml([
          curveChart({ runs, policies, load: shown, slo, of: "ttftCurve" }),
          curveChart({ runs, policies, load: shown, slo, of: "tpotCurve" }),
        ]),
      ),
      ...loads.map((load) =>
        sectionHtml(`Figures at load × ${numberText(load)}`, figuresTable(comparison, load)),
      ),
      differencesHtml(comparison),
      provenanceHtml(provenance, [
        ["workload", workload],
        ["fleet", fleet],
        ["policies", policies.join(", ")],
        ["loads", loads.map((load) => `× ${numberText(load)}`).join(", ")],
        ["seeds", seeds.join(", ")],
      ]),
    ],
  });
}

function hasPoints({ series }: Chart): boolean {
  return series.some(({ points }) => points.length > 0);
}

function sloText(slo: Slo | null): string {
  if (slo === null) return "";
  const parts = [["TTFT", slo.ttftUs] as const, ["TPOT", slo.tpotUs] as const].filter(
    ([, us]) => us < Number.MAX_SAFE_INTEGER,
  );
  return ` · SLO ${parts.map(([name, us]) => `${name} ${msText(us / MICROS_PER_MILLI)}`).join(", ")}`;
}

/** One figure over the loads, a line for each policy. */
function againstLoad({ comparison, shareMin }: ComparisonReport, metric: string): Chart {
  const { label, better, format } = comparedMetric(metric);
  const policies = [...new Set(comparison.cells.map(({ policy }) => policy))];
  const isShare = format === shareText;
  return {
    title: metric === "goodput_share" ? "Goodput: requests that met the SLO" : label,
    caption: better === "higher" ? "The higher, the better." : "The lower, the better.",
    x: { label: "load, times the workload's own", kind: "linear", format: numberText },
    y: { label, kind: format === msText ? "log" : "linear", format, ...(isShare ? { include: [0, 1] } : {}) },
    series: policies.map((name): Series => {
      const cells = comparison.cells
        .filter((cell) => cell.policy === name && cell.metric === metric)
        .sort((a, b) => a.load - b.load);
      const floor = format === msText ? 0.01 : -Infinity;
      return {
        name,
        dots: true,
        points: cells.map(({ load, interval }) => [load, Math.max(floor, interval.value)]),
        band: cells
          .filter(({ interval }) => Number.isFinite(interval.halfWidth))
          .map(({ load, interval: { value, halfWidth } }) => {
            const [low, high] = [value - halfWidth, value + halfWidth];
            return isShare
              ? [load, Math.max(0, low), Math.min(1, high)]
              : [load, Math.max(floor, low, value / 10), high];
          }),
      };
    }),
    marks:
      metric === "goodput_share" && shareMin !== null
        ? [{ axis: "y", at: shareMin, label: `wanted: ${shareText(shareMin)}` }]
        : [],
  };
}

function curveChart(which: {
  runs: readonly ComparedRun[];
  policies: readonly string[];
  load: number;
  slo: Slo | null;
  of: "ttftCurve" | "tpotCurve";
}): Chart {
  const { runs, policies, load, slo, of } = which;
  const isTtft = of === "ttftCurve";
  return {
    title: isTtft ? "Time to first token" : "Time per output token",
    caption: isTtft
      ? "From the arrival of a request to its first token, the wait in the queue included."
      : "Between two tokens of an answer, on average over the answer.",
    x: { label: "time, powers of ten", kind: "log", format: msText },
    y: {
      label: "share of requests that took at most so long",
      kind: "linear",
      format: shareText,
      include: [0, 1],
    },
    series: policies.map((policy) => {
      const own = runs.filter((run) => run.policy === policy && run.load === load && run[of].length > 0);
      return { name: policy, points: averageCurve(own.map((run) => run[of])) };
    }),
    marks: hopedMarks(isTtft ? (slo?.ttftUs ?? null) : (slo?.tpotUs ?? null), "x"),
  };
}

function averageCurve(curves: readonly (readonly number[])[]): [number, number][] {
  const [first] = curves;
  if (first === undefined) return [];
  return first.map((_, step) => {
    const mean = curves.reduce((sum, curve) => sum + curve[step]!, 0) / curves.length;
    return [Math.max(0.01, mean), step / (first.length - 1)];
  });
}

function highestLoadsHtml({ comparison: { highestLoads }, shareMin }: ComparisonReport): string {
  if (highestLoads.length === 0 || shareMin === null) return "";
  const tiles = highestLoads.map((found) => {
    const { load, perSecond } = highestLoadText(found);
    return [found.policy, load, perSecond] as const;
  });
  return sectionHtml(
    `Highest load at which ${shareText(shareMin)} of requests meet the SLO`,
    tilesHtml(tiles),
  );
}

function figuresTable(comparison: Comparison, load: number): string {
  const { policies, rows } = figureRows(comparison, load);
  return tableHtml(["", ...policies], rows);
}

function differencesHtml({ differences }: Comparison): string {
  const [first] = differences;
  if (first === undefined) return "";
  const rows = differences.map(({ policy, load, metric, difference, relative, verdict }) => [
    policy,
    `× ${numberText(load)}`,
    comparedMetric(metric).label,
    differenceText(difference, metric),
    relativeText(relative),
    verdict === "better" || verdict === "worse" ? { text: verdict, kind: verdict } : verdict,
  ]);
  return sectionHtml(
    `Against ${first.baseline}`,
    noteHtml(
      `Differences of runs with the same seed, over ${first.difference.count} seeds. A policy is called better or worse where the whole interval, at ${shareText(first.difference.confidence)} confidence by itself, lies on one side of 0.`,
    ),
    tableHtml(["policy", "load", "figure", "difference", "relative", "verdict"], rows),
  );
}

function violationsHtml({ violations }: Comparison): string {
  if (violations.length === 0) return "";
  const shown = violations
    .slice(0, VIOLATIONS_SHOWN_MAX)
    .map(({ policy, load, seed, message }) => `${policy}, load ${load}, seed ${seed}: ${message}`);
  return alarmHtml(`Violations were found in ${violations.length} runs: don't trust these figures.`, shown);
}
