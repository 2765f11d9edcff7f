import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Random } from "../../../src/core/random.ts";
import { engineProfile } from "../../../src/simulator/engine-profiles/index.ts";
import { ALL_FAULTS } from "../../../src/simulator/faults.ts";
import type { Experiment, ExperimentResult } from "../../../src/simulator/lab/experiment.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import type { Workload, WorkloadRequest } from "../../../src/simulator/workloads/workload.ts";

const H100 = engineProfile("h100-llama-3.1-8b");

/** Requests of three tenants, of which half begin like others do. */
function workload(requests: number, { meanGapUs = 50_000, seed = 3 } = {}): Workload {
  const random = new Random(seed);
  let atUs = 0;
  const request = (_: unknown, i: number): WorkloadRequest => {
    atUs += random.exponential(meanGapUs);
    const promptTokens = random.between(10, 4_000);
    const beginning = random.chance(0.5) ? random.between(1, 5) * 1_000 : i * 1_000_000;
    return {
      atUs: Math.round(atUs),
      tenant: random.pick(["red", "green", "blue"]),
      model: null,
      promptTokens,
      outputTokens: random.between(1, 400),
      maxTokens: random.chance(0.5) ? 300 : null,
      blocks: Array.from({ length: Math.floor(promptTokens / 64) }, (_block, block) => beginning + block),
      session: null,
      priority: null,
      slo: null,
    };
  };
  return {
    name: "test",
    source: "test",
    blockTokens: 64,
    requests: Array.from({ length: requests }, request),
  };
}

function run(changes: Partial<Experiment> = {}): ExperimentResult {
  const usual = { seed: 1, fleet: [{ profile: H100, count: 3 }], workload: workload(300), stepNoise: 0.05 };
  return runExperiment({ ...usual, ...changes });
}

function assertSound({ violations, requests }: ExperimentResult): void {
  assert.deepEqual(violations, []);
  for (const { request, outputTokens, outcome } of requests) {
    assert.equal(outcome, "completed");
    assert.equal(outputTokens, Math.min(request.outputTokens, request.maxTokens ?? Infinity));
  }
}

describe("an experiment", () => {
  const result = run({ sampleEveryUs: 100_000 });

  test("answers every request in full", () => {
    assertSound(result);
    assert.equal(result.requests.length, 300);
  });

  test("gives the same result again, and another one from another seed", () => {
    assert.deepEqual(run({ sampleEveryUs: 100_000 }), result);
    assert.notEqual(run({ seed: 2 }).hash, result.hash);
  });

  test("decides the same token by token, and where engines are short of memory", () => {
    assert.deepEqual(run({ perToken: true, sampleEveryUs: 100_000 }), result);
    const small = { ...H100, kvTokens: 12_000, contextTokens: 8_192 };
    const fleet = [{ profile: small, count: 3, kvOvercommit: 3 }];
    const short = run({ fleet });
    assertSound(short);
    assert.deepEqual(run({ fleet, perToken: true }), short);
  });

  test("counts service when it is given, and all of it", () => {
    let served = 0;
    for (const seconds of result.service.values()) for (const tokens of seconds) served += tokens;
    const asked = result.requests.reduce((sum, { request, outputTokens }) => {
      return sum + request.promptTokens + 2 * outputTokens;
    }, 0);
    assert.equal(served, asked);
    assert.deepEqual([...result.service.keys()].sort(), ["blue", "green", "red"]);
  });

  test("tells times in order, and where requests went", () => {
    for (const { arrivedUs, dispatchedUs, firstTokenUs, endUs, worker } of result.requests) {
      assert(arrivedUs <= dispatchedUs! && dispatchedUs! < firstTokenUs! && firstTokenUs! <= endUs);
      assert.match(worker!, /^g0-[012]$/);
    }
    assert.equal(result.virtualSeconds * 1e6, Math.max(...result.requests.map(({ endUs }) => endUs)));
    assert(result.requests.some(({ cachedTokens }) => cachedTokens > 0));
  });

  test("samples the fleet", () => {
    assert(result.samples.length > 10);
    for (const { workers, kv } of result.samples) {
      assert.equal(workers, 3);
      assert(kv.every((share) => share >= 0 && share <= 1));
    }
    assert(result.samples.some(({ running }) => running > 0));
    // A second passes before the first request, until every worker has been heard of.
    assert.equal(result.workerSeconds, 3 * (result.virtualSeconds + 1));
  });
});

test("twice the load comes in half the time", () => {
  const [usual, fast] = [1, 2].map((load) => run({ load }).requests.map(({ arrivedUs }) => arrivedUs));
  for (const [i, atUs] of fast!.entries()) assert(Math.abs(atUs - usual![i]! / 2) <= 1);
});

test("what follows an answer is sent when it is there", () => {
  const { requests } = workload(5);
  const loop: Workload = {
    ...workload(5),
    requests,
    follow: (request, endUs) => {
      return request.promptTokens > 100
        ? { ...request, promptTokens: request.promptTokens >> 1, atUs: endUs + 500 }
        : null;
    },
  };
  const result = run({ workload: loop });
  assertSound(result);
  const rounds = requests.map(
    ({ promptTokens }) => 1 + Math.max(0, Math.floor(Math.log2(promptTokens / 101)) + 1),
  );
  assert.equal(
    result.requests.length,
    rounds.reduce((sum, each) => sum + each),
  );
});

test("a fleet grows with the load, when workers have started, and shrinks after it", () => {
  const profile = { ...H100, startUs: 2e6 };
  const scaling = {
    group: 0,
    countMin: 1,
    countMax: 4,
    targetPerWorker: 5,
    intervalUs: 500_000,
    cooldownUs: 1e6,
  };
  const burst = workload(200, { meanGapUs: 20_000 });
  const last = { ...burst.requests[0]!, atUs: 40e6 };
  const result = run({
    fleet: [{ profile, count: 1 }],
    workload: { ...burst, requests: [...burst.requests, last] },
    scaling,
    sampleEveryUs: 100_000,
  });
  assertSound(result);
  const counts = result.samples.map(({ workers }) => workers);
  assert.equal(Math.max(...counts), 4);
  assert.equal(counts.at(-1), 1);
  const firstGrowth = result.samples.find(({ workers }) => workers > 1)!;
  assert(firstGrowth.atUs >= 2e6);
});

test("an engine that admits by peaks keeps the rest in the scheduler", () => {
  const a10g = engineProfile("a10g-llama-7b");
  const requests = workload(150, { meanGapUs: 100_000 }).requests.map((request) => {
    return {
      ...request,
      promptTokens: Math.ceil(request.promptTokens / 10),
      maxTokens: request.outputTokens,
    };
  });
  const result = run({
    fleet: [{ profile: a10g, count: 1 }],
    workload: { ...workload(0), requests },
    sampleEveryUs: 100_000,
    heartbeatUs: 250_000,
  });
  assertSound(result);
  assert(Math.max(...result.samples.map(({ waiting }) => waiting)) > 20);
  assert(Math.max(...result.samples.flatMap(({ kv }) => kv)) > 0.8);
});

test("faults strike, requests end all the same, and it can be had again", () => {
  for (const seed of [1, 2, 3, 4]) {
    const faulty = { seed, faults: ALL_FAULTS, workload: workload(200) };
    const result = run(faulty);
    assert.deepEqual(result.violations, []);
    assert.equal(result.requests.length, 200);
    assert(result.requests.some(({ outcome }) => outcome !== "completed"));
    assert.equal(run(faulty).hash, result.hash);
  }
});

test("a run can be watched, and stopped", () => {
  const seen: number[] = [];
  const result = run({
    onProgress: ({ requests }) => seen.push(requests),
    shouldStop: () => seen.length === 2,
  });
  assert.deepEqual(seen, [100, 200]);
  assert(result.requests.length < 300);
});

/** How many were answered with all of the 50 tokens there are. */
function whole({ requests, violations }: ExperimentResult): number {
  assert.deepEqual(violations, []);
  return requests.filter(({ outcome, outputTokens }) => outcome === "completed" && outputTokens === 50)
    .length;
}

test("a tenant's budget refuses and cuts; who waits for it gets what others give back", () => {
  const [one] = workload(1).requests;
  // All in one instant, with answers of a quarter of what they might be.
  const together = (budgetWaitUs: number): Workload => {
    const request = { ...one!, tenant: "red", blocks: [], outputTokens: 50, maxTokens: 200, budgetWaitUs };
    return { ...workload(0), requests: Array.from({ length: 8 }, () => request) };
  };
  const limits = [{ account: "global/red", unit: "output_tokens", window: "day", amount: "450" } as const];
  const inFull = run({ workload: together(0), limits, config: { packetTokens: 200 } });
  assert.equal(whole(inFull), 2);
  assert.equal(inFull.requests.filter(({ error }) => error === "budget_exhausted").length, 6);
  assert.equal(whole(run({ workload: together(0), limits, config: { packetTokens: 50 } })), 8);
  // The fifth and sixth come when a hold of 200 fits beside 250 that are posted; then no other does.
  assert.equal(whole(run({ workload: together(60e6), limits, config: { packetTokens: 200 } })), 6);

  const cut = run({ workload: together(0), limits, config: { packetTokens: 40 } });
  const lengths = cut.requests.map(({ outputTokens }) => outputTokens);
  assert(lengths.some((tokens) => tokens === 40) && lengths.every((tokens) => tokens <= 50));
});
