import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter, Gauge, Registry } from "prom-client";
import {
  addCounted,
  type HistogramFamily,
  type MetricsShare,
  NOTHING_COUNTED,
  textOfAll,
} from "../../src/observability/metrics-share.ts";
import { DurationHistogram } from "../../src/observability/duration-histogram.ts";
import { metric } from "../replicas/replicas.ts";

/** Of a supervisor that has answered so many requests, one second each, has as many open, and knows so many workers. */
async function share(requests: number, workers: number): Promise<MetricsShare> {
  const registers = [new Registry()];
  new Counter({ name: "answered_total", help: "h", labelNames: ["model"], registers }).inc(
    { model: "m" },
    requests,
  );
  new Gauge({ name: "open", help: "h", registers }).set(requests);
  new Gauge({ name: "workers", help: "h", registers, aggregator: "max" }).set(workers);
  const durations = new DurationHistogram();
  for (let i = 0; i < requests; i++) durations.observe(1);
  const series: HistogramFamily["series"] = [{ labels: 'stage="queue"', durations: durations.toJSON() }];
  const families = await registers[0]!.getMetricsAsJSON();
  return structuredClone({ families, histograms: [{ name: "seconds", help: "h", series }] });
}

test("metrics of several supervisors are sums, or the highest of what all of them see", async () => {
  const text = await textOfAll([await share(2, 3), await share(5, 4)], NOTHING_COUNTED);
  assert.equal(metric(text, 'answered_total{model="m"}'), 7);
  assert.equal(metric(text, "open"), 7);
  assert.equal(metric(text, "workers"), 4);
  assert.equal(metric(text, "headgate_supervisors"), 2);
  assert.equal(metric(text, 'seconds_bucket{le="0.5",stage="queue"}'), 0);
  assert.equal(metric(text, 'seconds_bucket{le="1",stage="queue"}'), 7);
  assert.equal(metric(text, 'seconds_sum{stage="queue"}'), 7);
});

test("what an ended supervisor had counted stays in the sums; what it had open does not", async () => {
  const first = await addCounted(NOTHING_COUNTED, await share(2, 3));
  const past = structuredClone(await addCounted(first, await share(3, 3)));
  const text = await textOfAll([await share(1, 3)], past);
  assert.equal(metric(text, 'answered_total{model="m"}'), 6);
  assert.equal(metric(text, "open"), 1);
  assert.equal(metric(text, 'seconds_count{stage="queue"}'), 6);
  assert.equal(metric(text, "headgate_supervisors"), 1);
});
