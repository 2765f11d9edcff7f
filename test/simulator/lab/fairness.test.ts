import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { Random } from "../../../src/core/random.ts";
import { seconds } from "../../../src/core/units.ts";
import { engineProfile } from "../../../src/simulator/engine-profiles/index.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import { vtcServiceBound } from "../../../src/simulator/queueing-theory/fairness.ts";
import type { WorkloadRequest } from "../../../src/simulator/workloads/workload.ts";

const PROMPT_TOKENS_MAX = 100;
const OUTPUT_TOKENS_MAX = 150;
const SEQUENCES = 8;

/** When the second tenant comes, and until when both have work waiting. */
const RETURN_S = 15;
const END_S = 30;

/** Few places, so that there is always somebody who waits. */
const PROFILE = { ...engineProfile("h100-llama-3.1-8b"), sequencesMax: SEQUENCES };

/** Far more than the worker can do: the first tenant's all the time, the second's from its return on and half as much. */
function requests(): WorkloadRequest[] {
  const random = new Random(5);
  const of = (tenant: string, everyS: number, fromS: number): WorkloadRequest[] => {
    return Array.from({ length: Math.floor((END_S - fromS) / everyS) }, (_, i) => ({
      atUs: Math.round(seconds(fromS + i * everyS)),
      tenant,
      model: null,
      promptTokens: random.between(10, PROMPT_TOKENS_MAX),
      outputTokens: random.between(50, OUTPUT_TOKENS_MAX),
      maxTokens: OUTPUT_TOKENS_MAX,
      blocks: [],
      session: null,
      priority: null,
      slo: null,
    }));
  };
  return [...of("busy", 0.03, 0), ...of("back", 0.06, RETURN_S)].sort((a, b) => a.atUs - b.atUs);
}

/** By how much the service of two that both wait differs at most, over any time from the return on. */
function difference(fairness: string): number {
  const scheduling = schedulingOf("least-request");
  scheduling.queueing.fairness = { name: fairness, parameters: {} };
  const { service, violations } = runExperiment({
    seed: 1,
    fleet: [{ profile: PROFILE, count: 1 }],
    workload: { name: "test", source: "test", blockTokens: 64, requests: requests() },
    config: { scheduling },
  });
  assert.deepEqual(violations, []);
  let lead = 0;
  let [least, most] = [0, 0];
  for (let second = RETURN_S; second < END_S; second++) {
    lead += service.get("busy")![second]! - service.get("back")![second]!;
    least = Math.min(least, lead);
    most = Math.max(most, lead);
  }
  return most - least;
}

/** By Sheng et al.: what the batch can hold at most counts for the pool. */
const BOUND = vtcServiceBound({
  promptWeight: 1,
  outputWeight: 2,
  promptTokensMax: PROMPT_TOKENS_MAX,
  poolTokens: SEQUENCES * (PROMPT_TOKENS_MAX + OUTPUT_TOKENS_MAX),
});

describe("two tenants that always wait, one of them back after a while", () => {
  for (const fairness of ["vtc", "drr"]) {
    test(`are served alike by ${fairness}, up to the bound of the paper`, () => {
      assert(difference(fairness) <= BOUND);
    });
  }

  test("are not where whoever asks more gets more", () => {
    assert(difference("fcfs-flows") > BOUND);
  });
});
