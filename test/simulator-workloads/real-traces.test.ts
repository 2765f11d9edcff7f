import assert from "node:assert/strict";
import { test } from "node:test";
import { variance, mean } from "../../src/simulator/statistics/moments.ts";
import { blockHits } from "../../src/simulator/workloads/block-hits.ts";
import { readWorkload } from "../../src/simulator/workloads/read-workload.ts";
import { sharedTrace } from "./shared-traces.ts";

const TRACES: [format: string, path: string[], requests: number, seconds: number, tenants: number][] = [
  ["mooncake", ["mooncake", "conversation_trace.jsonl"], 12_031, 3_537, 1],
  ["mooncake", ["mooncake", "synthetic_trace.jsonl"], 3_993, 1_022, 1],
  ["azure", ["azure2023", "AzureLLMInferenceTrace_code.csv"], 8_819, 3_436, 1],
  ["azure", ["azure2023", "AzureLLMInferenceTrace_conv.csv"], 19_366, 3_502, 1],
  ["vtc-trace", ["vtc", "vtc_real_trace_27clients.csv"], 1_500, 600, 27],
  ["vtc-results", ["vtc", "VTC", "all_results_real.jsonl.gz"], 1_500, 600, 27],
];

for (const [format, path, count, seconds, tenants] of TRACES) {
  const trace = sharedTrace(...path);
  test(
    `${path.join("/")} has the requests, the duration and the tenants it is said to have`,
    { skip: trace.skip },
    async () => {
      const { requests } = await readWorkload(format, trace.path);
      assert.equal(requests.length, count);
      assert.equal(Math.round(requests.at(-1)!.atUs / 1e6), seconds);
      assert.equal(new Set(requests.map(({ tenant }) => tenant)).size, tenants);
    },
  );
}

const code = sharedTrace("azure2023", "AzureLLMInferenceTrace_code.csv");
test("the code trace of Azure is as bursty as it is said to be", { skip: code.skip }, async () => {
  const { requests } = await readWorkload("azure", code.path);
  const gaps = requests.slice(1).map(({ atUs }, i) => atUs - requests[i]!.atUs);
  assert.equal((Math.sqrt(variance(gaps)) / mean(gaps)).toFixed(1), "13.2");
});

for (const [name, ever] of [
  ["conversation", "0.36641"],
  ["synthetic", "0.63960"],
] as const) {
  const trace = sharedTrace("mooncake", `${name}_trace.jsonl`);
  test(
    `a cache that never forgets has the ${name} trace's share of block hits`,
    { skip: trace.skip },
    async () => {
      const workload = await readWorkload("mooncake", trace.path);
      assert.equal(blockHits(workload, Infinity).share.toFixed(5), ever);
    },
  );
}
