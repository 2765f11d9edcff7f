import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../../src/observability/metrics.ts";
import { RECORD } from "./record.ts";

const IDLE = {
  draining: false,
  requests: 0,
  openHolds: 3,
  queue: { bands: [], packets: 0, bytes: 0 },
  sessions: 0,
  kvBytes: 0,
  workers: [],
};

test("tenants beyond a number share a label, whatever their names, and no cost is lost", async () => {
  const metrics = new Metrics({ modelLabel: (model) => model });
  for (let i = 0; i < 300; i++) metrics.settled({ ...RECORD, tenant: `tenant-${i % 150}` });
  const lines = (await metrics.scrape(IDLE)).split("\n");
  const costs = lines.filter((line) => line.startsWith("headgate_tenant_cost_usd_total{"));
  assert.equal(costs.length, 101);
  assert.ok(costs.includes('headgate_tenant_cost_usd_total{tenant="tenant-0"} 2'));
  assert.ok(costs.includes('headgate_tenant_cost_usd_total{tenant="other"} 100'));
  assert.ok(lines.includes('headgate_cost_usd_total{model="tiny"} 300'));
  assert.ok(lines.includes("headgate_holds_open 3"));
});

test("times are counted up to their bound, and all of them are in the last bucket", async () => {
  const metrics = new Metrics({ modelLabel: (model) => model });
  for (const queue of [500, 501, 400_000_000]) metrics.settled({ ...RECORD, stagesUs: { queue } });
  const text = await metrics.scrape(IDLE);
  const expected = [
    "# TYPE headgate_stage_seconds histogram",
    'headgate_stage_seconds_bucket{le="0.0005",stage="queue"} 1',
    'headgate_stage_seconds_bucket{le="0.001",stage="queue"} 2',
    'headgate_stage_seconds_bucket{le="300",stage="queue"} 2',
    'headgate_stage_seconds_bucket{le="+Inf",stage="queue"} 3',
    'headgate_stage_seconds_sum{stage="queue"} 400.001001',
    'headgate_stage_seconds_count{stage="queue"} 3',
    "headgate_request_seconds_count 3",
    "headgate_ledger_commit_seconds_count 0",
  ];
  const lines = text.split("\n");
  for (const line of expected) assert.ok(lines.includes(line), line);
  // Each metric is introduced once, and a text ends with a line feed.
  const introduced = lines.filter((line) => line.startsWith("# TYPE "));
  assert.equal(new Set(introduced).size, introduced.length);
  assert.ok(text.endsWith("\n"));
});
