import assert from "node:assert/strict";
import { test } from "node:test";
import { metricsWithin } from "../../src/gateway/metrics-scope.ts";

const TEXT = [
  "# TYPE headgate_tenant_cost_usd_total counter",
  'headgate_tenant_cost_usd_total{tenant="acme"} 1',
  'headgate_tenant_cost_usd_total{tenant="acme2"} 2',
  'headgate_tenant_cost_usd_total{tenant="other"} 3',
  "headgate_queue_packets 4",
  'headgate_cost_usd_total{model="tiny"} 6',
];

function seenBy(scope: string): number[] {
  const lines = metricsWithin(TEXT.join("\n"), scope).split("\n");
  return lines.filter((line) => !line.startsWith("#")).map((line) => Number(line.split(" ")[1]));
}

test("metrics show a tenant to whoever is responsible for all of it, and the rest to everybody", () => {
  assert.deepEqual(seenBy("global"), [1, 2, 3, 4, 6]);
  assert.deepEqual(seenBy("global/acme"), [1, 4]);
  assert.deepEqual(seenBy("global/acme/research"), [4]);
});
