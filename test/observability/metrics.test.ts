import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../../src/observability/metrics.ts";
import { RECORD } from "./record.ts";

const IDLE = {
  draining: false,
  requests: 0,
  openHolds: 3,
  queue: { packets: 0, bytes: 0 },
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
