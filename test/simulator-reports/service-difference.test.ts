import assert from "node:assert/strict";
import { test } from "node:test";
import { measuredIn } from "../../bench/validate/vtc-artifact/measured.ts";
import { sharedTrace } from "../simulator-workloads/shared-traces.ts";

/** As the VTC evaluation computed them: difference at its largest, on average, its variance, and tokens a second. */
const MEASURED: [policy: string, max: number, mean: string, variance: number, tokensPerSecond: number][] = [
  ["FCFS", 760, "433.5", 32_112, 777],
  ["LCF", 750, "323.8", 29_089, 778],
  ["VTC", 368, "251.7", 6_549, 779],
  ["VTC_oracle", 329, "227.5", 4_476, 781],
];

for (const [policy, max, mean, variance, tokensPerSecond] of MEASURED) {
  const file = sharedTrace("vtc", policy, "all_results_real.jsonl.gz");
  test(
    `what was measured of ${policy} has the published service difference`,
    { skip: file.skip },
    async () => {
      const measured = await measuredIn(file.path);
      assert.equal(Math.round(measured.difference.max), max);
      assert.equal(measured.difference.mean.toFixed(1), mean);
      assert.equal(Math.round(measured.difference.variance), variance);
      assert.equal(Math.round(measured.tokensPerSecond), tokensPerSecond);
    },
  );
}
