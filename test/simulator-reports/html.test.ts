import assert from "node:assert/strict";
import { test } from "node:test";
import { chartsHtml } from "../../src/simulator/reports/html/chart.ts";
import { linearScale, logScale, timeScale } from "../../src/simulator/reports/html/scale.ts";
import { metricsOf } from "../../src/simulator/reports/metrics.ts";
import { clockText, msText, numberText, shareText } from "../../src/simulator/reports/numbers.ts";
import { runReportHtml } from "../../src/simulator/reports/run-report.ts";
import { inventedResult, resultOf } from "./invented-result.ts";

const PROVENANCE = {
  command: "npm run headgate -- simulate run --workload 'a<b'",
  commit: "abc",
  node: "v24",
};

function report(result = inventedResult(7)): string {
  const slo = { ttftUs: 2_000_000, tpotUs: 50_000 };
  const described = { workload: "w<script>", fleet: "4 × x", policies: "p", load: 1, slo, stopped: false };
  return runReportHtml({ ...described, result, metrics: metricsOf(result, slo) }, PROVENANCE);
}

test("a report needs nothing from elsewhere, and text stays text", () => {
  const html = report();
  assert.doesNotMatch(html, /<script|<link|<img|https?:|url\(|@import/);
  assert.match(html, /w&lt;script&gt;/);
  assert.match(html, /--workload &#39;a&lt;b&#39;/);
});

test("every plot has a name for those who can't see it, and its numbers as a table", () => {
  const html = report();
  const plots = html.match(/<figure/g)!.length;
  assert.equal(plots, 6);
  assert.equal(html.match(/role="img" aria-label="[^"]{20,}"/g)!.length, plots);
  assert.equal(html.match(/<details><summary>Numbers<\/summary>/g)!.length, plots);
});

test("nothing drawn is not a number, also of a run without requests", () => {
  assert.doesNotMatch(report(), /NaN|Infinity|undefined/);
  assert.doesNotMatch(report(resultOf([], { virtualSeconds: 0 })), /NaN|Infinity|undefined/);
});

test("the same run gives the same report", () => {
  assert.equal(report(), report());
});

test("violations are said before anything else", () => {
  const violations = [{ checker: "endings", atUs: 0, request: "r1", message: "ended <twice>" }];
  assert.match(report(resultOf([], { violations })), /role="alert".*endings: r1 ended &lt;twice&gt;/);
});

test("a chart without points says so", () => {
  const axis = { label: "x", kind: "linear" as const, format: numberText };
  assert.match(chartsHtml([{ title: "t", caption: "c", x: axis, y: axis, series: [] }]), /Nothing to show/);
});

test("scales put their ends at 0 and 1, and ticks where people expect them", () => {
  assert.deepEqual(linearScale([0, 97]).ticks, [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(linearScale([0, 0.3]).ticks, [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(logScale([0.1, 1_000]).ticks, [0.1, 1, 10, 100, 1_000]);
  assert.deepEqual(logScale([20, 400]).ticks, [20, 50, 100, 200, 500]);
  assert.deepEqual(timeScale([0, 3_540]).ticks, [0, 600, 1_200, 1_800, 2_400, 3_000, 3_600]);
  for (const scale of [linearScale([3, 3]), linearScale([-5, 8]), logScale([5, 5]), logScale([1, 1e9])]) {
    assert.equal(scale.place(scale.ticks[0]!), 0);
    assert.equal(scale.place(scale.ticks.at(-1)!), 1);
  }
});

test("numbers are written as people read them", () => {
  assert.deepEqual([0, 0.01234, 4.567, 789.4, 12_345.6].map(numberText), [
    "0",
    "0.0123",
    "4.57",
    "789",
    "12,346",
  ]);
  assert.deepEqual([0.5, 250, 1_500, 720_000, 7_200_000].map(msText), [
    "0.5 ms",
    "250 ms",
    "1.5 s",
    "12 min",
    "2 h",
  ]);
  assert.deepEqual([1, 0.99999, 0.5, 0].map(shareText), ["100 %", "> 99.9 %", "50 %", "0 %"]);
  assert.deepEqual([0, 45, 720, 90, 7_200].map(clockText), ["0", "45 s", "12 min", "1 min 30 s", "2 h"]);
  assert.equal(msText(null), "–");
});
