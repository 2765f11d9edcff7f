import { escape } from "./escape.ts";
import { linearScale, logScale, type Scale, timeScale } from "./scale.ts";

/** A line chart as HTML and SVG, without scripts. */
export interface Chart {
  title: string;
  /** What it shows and how to read it, in a sentence. */
  caption: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  /** Lines across at values that matter, such as an SLO. */
  marks?: readonly Mark[];
  /** Takes the whole width of the page. */
  isWide?: boolean;
}

export interface Axis {
  label: string;
  /** `time` is linear, in seconds. */
  kind: "linear" | "log" | "time";
  format: (value: number) => string;
  /** Shown whether values reach them or not. */
  include?: readonly number[];
}

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** An interval around the line: x, lower and upper bound. */
  band?: readonly (readonly [x: number, low: number, high: number])[];
  /** Shows each point; for few of them. */
  dots?: boolean;
}

export interface Mark {
  axis: "x" | "y";
  at: number;
  label: string;
}

/** How many series the style sheet tells apart. */
export const SERIES_MAX = 8;
/** The plot's own units: it is stretched to whatever room there is, and the texts around it are not. */
const PLOT = 1_000;
/** Rows of the table behind a chart; more would be a file. */
const TABLE_ROWS_MAX = 50;

/** Side by side, as far as there is room. */
export function chartsHtml(charts: readonly Chart[]): string {
  return `<div class="charts">${charts.map((chart) => chartHtml(chart)).join("\n")}</div>`;
}

/** A `figure`: the plot with its axes, a legend, and the same numbers as a table that can be opened. */
function chartHtml(chart: Chart): string {
  const { title, caption, x, y, series, marks = [] } = chart;
  const heading = `<figcaption><strong>${escape(title)}</strong><span>${escape(caption)}</span></figcaption>`;
  const drawn = series.filter(({ points }) => points.length > 0).slice(0, SERIES_MAX);
  const kind = chart.isWide === true ? "chart wide" : "chart";
  if (drawn.length === 0)
    return `<figure class="${kind}">${heading}<p class="empty">Nothing to show.</p></figure>`;
  const scales = {
    x: scaleOf(x, drawn, 0, marksOn(marks, "x")),
    y: scaleOf(y, drawn, 1, marksOn(marks, "y")),
  };
  return `<figure class="${kind}">${heading}
${legend(drawn)}
<div class="frame"><div class="y-label">${escape(y.label)}</div>
<div class="plot">${plot({ chart, drawn, scales })}${tickLabels(scales.y, y, "y")}${tickLabels(scales.x, x, "x")}${markLabels(marks, scales)}</div>
<div class="x-label">${escape(x.label)}</div></div>
${dataTable(chart, drawn)}</figure>`;
}

interface Scales {
  x: Scale;
  y: Scale;
}

function marksOn(marks: readonly Mark[], axis: Mark["axis"]): number[] {
  return marks.filter((mark) => mark.axis === axis).map(({ at }) => at);
}

function scaleOf(axis: Axis, series: readonly Series[], column: 0 | 1, marked: readonly number[]): Scale {
  let low = Infinity;
  let high = -Infinity;
  const see = (value: number): void => {
    if (!Number.isFinite(value) || (axis.kind === "log" && value <= 0)) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const { points, band: bounds = [] } of series) {
    for (const point of points) see(point[column]);
    for (const [at, lower, upper] of bounds)
      for (const value of column === 0 ? [at] : [lower, upper]) see(value);
  }
  for (const value of [...(axis.include ?? []), ...marked]) see(value);
  if (low > high) [low, high] = [1, 10];
  return { linear: linearScale, log: logScale, time: timeScale }[axis.kind]([low, high]);
}

function plot({ chart, drawn, scales }: { chart: Chart; drawn: readonly Series[]; scales: Scales }): string {
  const across = (value: number): number => round(scales.x.place(value) * PLOT);
  const up = (value: number): number => round((1 - scales.y.place(value)) * PLOT);
  const grid = [
    ...scales.x.ticks.map((tick) => `M${across(tick)} 0V${PLOT}`),
    ...scales.y.ticks.map((tick) => `M0 ${up(tick)}H${PLOT}`),
  ].join("");
  const marks = (chart.marks ?? []).map(({ axis, at }) => {
    return `<path class="mark" d="${axis === "x" ? `M${across(at)} 0V${PLOT}` : `M0 ${up(at)}H${PLOT}`}"/>`;
  });
  const lines = drawn.map((series, index) => {
    const shown = series.points.filter(([, y]) => Number.isFinite(y) && (chart.y.kind !== "log" || y > 0));
    const line = shown.map(([x, y], i) => `${i === 0 ? "M" : "L"}${across(x)} ${up(y)}`).join("");
    const dots = series.dots === true ? shown.map(([x, y]) => `M${across(x)} ${up(y)}h0`).join("") : "";
    return `<g class="s${index}">${band(series, across, up)}</g><path class="line s${index}" d="${line}"/>${
      dots === "" ? "" : `<path class="dots s${index}" d="${dots}"/>`
    }`;
  });
  return `<svg viewBox="0 0 ${PLOT} ${PLOT}" preserveAspectRatio="none" role="img" aria-label="${escape(
    `${chart.title}. ${chart.caption} The numbers are in the table below.`,
  )}"><path class="grid" d="${grid}"/>${lines.join("")}${marks.join("")}</svg>`;
}

function band(
  { band: bounds = [] }: Series,
  across: (value: number) => number,
  up: (value: number) => number,
): string {
  if (bounds.length < 2) return "";
  const upper = bounds.map(([x, , high]) => `${across(x)} ${up(high)}`);
  const lower = bounds.toReversed().map(([x, low]) => `${across(x)} ${up(low)}`);
  return `<path class="band" d="M${[...upper, ...lower].join("L")}Z"/>`;
}

/** Labels stand outside of the SVG, so they stay as large as other text when the plot is stretched. */
function tickLabels({ ticks, place }: Scale, { format }: Axis, side: "x" | "y"): string {
  // On narrow screens every second one is left out.
  const many = ticks.length > 5;
  return ticks
    .map((tick, i) => {
      const at = `${round(place(tick) * 100)}%`;
      const optional = many && i % 2 === 1 ? " optional" : "";
      const edge = side === "x" && place(tick) > 0.97 ? " last" : "";
      return `<span class="tick ${side}${optional}${edge}" style="${side === "x" ? "left" : "bottom"}:${at}">${escape(format(tick))}</span>`;
    })
    .join("");
}

function markLabels(marks: readonly Mark[], scales: Scales): string {
  return marks
    .map(({ axis, at, label }) => {
      const place = scales[axis].place(at);
      const side = axis === "x" ? `left:${round(place * 100)}%` : `bottom:${round(place * 100)}%`;
      return `<span class="mark-label ${axis}${place > 0.75 ? " back" : ""}" style="${side}">${escape(label)}</span>`;
    })
    .join("");
}

function legend(series: readonly Series[]): string {
  if (series.length === 1) return "";
  const items = series.map(({ name }, index) => {
    return `<li><svg viewBox="0 0 28 8" aria-hidden="true"><path class="line s${index}" d="M1 4H27"/></svg>${escape(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** Long series are thinned out evenly. */
function dataTable({ x, y }: Chart, series: readonly Series[]): string {
  const rows = series.flatMap(({ name, points }) => {
    const every = Math.max(1, Math.ceil((points.length * series.length) / TABLE_ROWS_MAX));
    return points
      .filter((_, i) => i % every === 0)
      .map(
        ([at, value]) =>
          `<tr><td>${escape(name)}</td><td>${escape(x.format(at))}</td><td>${escape(y.format(value))}</td></tr>`,
      );
  });
  return `<details><summary>Numbers</summary><div class="scroll" tabindex="0"><table><thead><tr><th scope="col">series</th><th scope="col">${escape(x.label)}</th><th scope="col">${escape(y.label)}</th></tr></thead><tbody>${rows.join("")}</tbody></table></div></details>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
