import type { Slo } from "../../core/vocabulary.ts";
import { MICROS_PER_MILLI, MICROS_PER_SECOND } from "../../core/units.ts";
import type { ExperimentResult } from "../lab/experiment.ts";
import { distributionOf, quantileCurve } from "./distribution.ts";
import type { Chart, Mark, Series } from "./html/chart.ts";
import { SERIES_MAX } from "./html/chart.ts";
import { ttftMsOf } from "./metrics.ts";
import { clockText, msText, numberText, shareText } from "./numbers.ts";

const CURVE_STEPS = 200;
/** Points of a line over time: more than a screen can show would only make the file larger. */
const POINTS_MAX = 240;
/** Durations shorter than this are shown as this long: an axis of powers of ten has no place for 0. */
const SHOWN_MS_MIN = 0.01;

/** A named sample, such as one policy's times to first token. */
export interface Sampled {
  name: string;
  values: readonly number[];
}

/** How many of the values are at most so large. */
export function distributionChart(
  { title, caption, hopedUs }: { title: string; caption: string; hopedUs: number | null },
  samples: readonly Sampled[],
): Chart {
  return {
    title,
    caption,
    x: { label: "time, powers of ten", kind: "log", format: msText },
    y: {
      label: "share of requests that took at most so long",
      kind: "linear",
      format: shareText,
      include: [0, 1],
    },
    series: samples.map(({ name, values }) => ({
      name,
      points: quantileCurve(values, CURVE_STEPS).map((value, step) => {
        return [Math.max(value, SHOWN_MS_MIN), step / CURVE_STEPS] as const;
      }),
    })),
    marks: hopedMarks(hopedUs, "x"),
  };
}

/** A line at what is hoped for; none where nobody says. */
export function hopedMarks(hopedUs: number | null, axis: Mark["axis"]): Mark[] {
  if (hopedUs === null || hopedUs === Number.MAX_SAFE_INTEGER) return [];
  const ms = hopedUs / MICROS_PER_MILLI;
  return [{ axis, at: ms, label: `SLO ${msText(ms)}` }];
}

/** Median and 99th percentile of what arrived in each stretch of time. */
export function latencyOverTimeChart({ requests }: ExperimentResult, slo: Slo | null): Chart {
  const endUs = requests.reduce((last, { arrivedUs }) => Math.max(last, arrivedUs), 0);
  const stretches = Math.max(1, Math.min(60, Math.floor(requests.length / 50)));
  const lengthUs = (endUs + 1) / stretches;
  const byStretch = Map.groupBy(requests, ({ arrivedUs }) => Math.floor(arrivedUs / lengthUs));
  const distributions = [...byStretch]
    .sort(([a], [b]) => a - b)
    .flatMap(([stretch, own]) => {
      const distribution = distributionOf(own.map(ttftMsOf).filter((ms) => ms !== null));
      return distribution === null
        ? []
        : [{ atS: ((stretch + 0.5) * lengthUs) / MICROS_PER_SECOND, distribution }];
    });
  const line = (name: string, pick: "p50" | "p99"): Series => ({
    name,
    points: distributions.map(({ atS, distribution }) => [atS, Math.max(distribution[pick], SHOWN_MS_MIN)]),
  });
  return {
    title: "Time to first token over time",
    isWide: true,
    caption:
      "Of the requests that arrived then: half were faster than the median, one of a hundred slower than p99.",
    x: { label: "arrival, since the beginning", kind: "time", format: clockText, include: [0] },
    y: { label: "time to first token", kind: "log", format: msText },
    series: [line("median", "p50"), line("p99", "p99")],
    marks: hopedMarks(slo?.ttftUs ?? null, "y"),
  };
}

/** Requests that wait in Headgate, and that run on workers. */
export function queueChart({ samples }: ExperimentResult): Chart {
  const workers = new Set(samples.map((sample) => sample.workers));
  const lines = [
    overTime("waiting in Headgate", samples, ({ waiting }) => waiting),
    overTime("at workers", samples, ({ running }) => running),
  ];
  return {
    title: "Requests in the system",
    caption: "What waits in Headgate has not been sent to a worker yet.",
    x: { label: "since the beginning", kind: "time", format: clockText, include: [0] },
    y: { label: "requests", kind: "linear", format: numberText, include: [0, 1] },
    series: workers.size < 2 ? lines : [...lines, overTime("workers", samples, (sample) => sample.workers)],
  };
}

export function kvChart({ samples }: ExperimentResult): Chart {
  return {
    title: "KV cache in use",
    caption: "Of the fleet on average, and of the fullest worker at each moment.",
    x: { label: "since the beginning", kind: "time", format: clockText, include: [0] },
    y: { label: "share of the KV cache", kind: "linear", format: shareText, include: [0, 1] },
    series: [
      overTime("average", samples, ({ kv }) => meanOf(kv)),
      overTime("fullest worker", samples, ({ kv }) => Math.max(0, ...kv)),
    ],
  };
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Rates at which tenants are served; beyond as many as can be told apart, the least served share a line. */
export function serviceChart({ service }: ExperimentResult): Chart {
  const tenants = [...service]
    .map(([name, perSecond]) => ({ name, perSecond, all: perSecond.reduce((sum, value) => sum + value, 0) }))
    .sort((a, b) => b.all - a.all);
  const named = tenants.slice(0, tenants.length > SERIES_MAX ? SERIES_MAX - 1 : SERIES_MAX);
  const others = tenants.slice(named.length);
  const lines = named.map(({ name, perSecond }) => ({ name, points: ratesOf([perSecond]) }));
  if (others.length > 0) {
    const name = `${others.length} others together`;
    lines.push({ name, points: ratesOf(others.map(({ perSecond }) => perSecond)) });
  }
  return {
    title: "Service of tenants",
    isWide: true,
    caption: "What each was given: input tokens and twice the output tokens, when they were generated.",
    x: { label: "since the beginning", kind: "time", format: clockText, include: [0] },
    y: { label: "input + 2 × output tokens a second", kind: "linear", format: numberText, include: [0] },
    series: lines,
  };
}

/** Averages over stretches of equal length. */
function ratesOf(rows: readonly Float64Array[]): [number, number][] {
  const length = Math.max(0, ...rows.map((row) => row.length));
  const stretchS = Math.max(1, Math.ceil(length / (POINTS_MAX / 4)));
  return Array.from({ length: Math.ceil(length / stretchS) }, (_, stretch) => {
    let all = 0;
    const end = Math.min(length, (stretch + 1) * stretchS);
    for (const row of rows)
      for (let second = stretch * stretchS; second < end; second++) all += row[second] ?? 0;
    return [(stretch + 0.5) * stretchS, all / (end - stretch * stretchS)];
  });
}

/** Samples, averaged over stretches where there are many. */
function overTime<Sample extends { atUs: number }>(
  name: string,
  samples: readonly Sample[],
  of: (sample: Sample) => number,
): Series {
  const each = Math.max(1, Math.ceil(samples.length / POINTS_MAX));
  const points: [number, number][] = [];
  for (let from = 0; from < samples.length; from += each) {
    const own = samples.slice(from, from + each);
    const mean = own.reduce((sum, sample) => sum + of(sample), 0) / own.length;
    points.push([own[0]!.atUs / MICROS_PER_SECOND, mean]);
  }
  return { name, points };
}
