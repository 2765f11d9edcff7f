import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/core/random.ts";
import { mean, variance } from "../../src/simulator/statistics/moments.ts";
import { blockHits } from "../../src/simulator/workloads/block-hits.ts";
import { diurnal, onOff } from "../../src/simulator/workloads/synthetic/arrivals.ts";
import {
  type Draw,
  gamma,
  histogram,
  lognormal,
  weibull,
} from "../../src/simulator/workloads/synthetic/draws.ts";
import { SYNTHETIC_KINDS, synthesise } from "../../src/simulator/workloads/synthetic/synthesise.ts";
import type { Workload, WorkloadRequest } from "../../src/simulator/workloads/workload.ts";

const COUNT = 100_000;

function drawn(draw: Draw): number[] {
  const random = new Random(1);
  return Array.from({ length: COUNT }, () => draw(random));
}

function gaps({ requests }: Workload): number[] {
  return requests.slice(1).map(({ atUs }, i) => (atUs - requests[i]!.atUs) / 1e6);
}

function close(got: number, expected: number, relative: number): void {
  assert(Math.abs(got / expected - 1) < relative, `got ${got}, expected ${expected}`);
}

/** All of a conversation, when each answer takes a second. */
function conversation(workload: Workload, first: WorkloadRequest): WorkloadRequest[] {
  const turns = [first];
  for (let turn = first; ; turns.push(turn)) {
    const next = workload.follow!(turn, turn.atUs + 1_000_000);
    if (next === null) return turns;
    turn = next;
  }
}

function all(workload: Workload): WorkloadRequest[] {
  return workload.requests.flatMap((first) => conversation(workload, first));
}

test("draws have the mean and the variation asked for", () => {
  for (const variation of [0.3, 1, 3]) {
    for (const law of [gamma, lognormal]) {
      const values = drawn(law(50, variation));
      close(mean(values), 50, 0.05);
      close(Math.sqrt(variance(values)) / mean(values), variation, 0.1);
    }
  }
  // A Weibull of shape 2 has a coefficient of variation of √(4/π − 1).
  const values = drawn(weibull(50, 2));
  close(mean(values), 50, 0.02);
  close(Math.sqrt(variance(values)) / 50, Math.sqrt(4 / Math.PI - 1), 0.02);
  assert(drawn(gamma(50, 0)).every((value) => value === 50));
  close(
    mean(
      drawn(
        histogram([
          [10, 3],
          [20, 0],
          [30, 1],
        ]),
      ),
    ),
    15,
    0.02,
  );
  assert(
    !drawn(
      histogram([
        [10, 3],
        [20, 0],
        [30, 1],
      ]),
    ).includes(20),
  );
  assert.throws(() => histogram([[1, 0]]), RangeError);
});

test("arrivals have the rate and the burstiness asked for", () => {
  const poisson = synthesise("poisson:rate=20,seconds=2000");
  close(mean(gaps(poisson)), 1 / 20, 0.03);
  close(Math.sqrt(variance(gaps(poisson))) * 20, 1, 0.03);
  const bursty = synthesise("gamma:rate=20,cv=4,seconds=4000");
  close(mean(gaps(bursty)), 1 / 20, 0.1);
  close(Math.sqrt(variance(gaps(bursty))) * 20, 4, 0.1);
  assert(poisson.requests.every(({ atUs }) => atUs < 2_000e6));
});

function countBy(times: Iterable<number>, until: number, isIn: (time: number) => boolean): number {
  let count = 0;
  for (const time of times) {
    if (time >= until) return count;
    if (isIn(time)) count++;
  }
  throw new Error("arrivals have no end");
}

test("on and off", () => {
  assert.equal(
    countBy(onOff(10, 5, 15)(new Random(2)), 2_000, (time) => time % 20 >= 5),
    0,
  );
  close(
    countBy(onOff(10, 5, 15)(new Random(2)), 2_000, () => true),
    5_000,
    0.07,
  );
});

test("the rate of a day: half of the period has nearly all, in the proportion of the wave", () => {
  const risen = countBy(diurnal(10, 1, 100)(new Random(3)), 2_000, (time) => time % 100 < 50);
  // ∫(1 + sin) over the first half is π + 2, over all 2π.
  close(risen, 20_000 * ((Math.PI + 2) / (2 * Math.PI)), 0.04);
  close(
    countBy(diurnal(10, 1, 100)(new Random(3)), 2_000, () => true),
    20_000,
    0.04,
  );
});

test("a seed decides all of a workload, and running it changes nothing", () => {
  const description = "poisson:rate=5,turns=4,think=1~1,prompt=100~2,output=64@1|128@1,tenants=3,seed=9";
  const workload = synthesise(description);
  const once = all(workload);
  assert.deepEqual(all(workload), once);
  assert.deepEqual(all(synthesise(description)), once);
  assert.notDeepEqual(all(synthesise(description.replace("seed=9", "seed=10"))), once);
});

test("in a session each prompt is what was said before and new text, and begins with the same blocks", () => {
  const workload = synthesise(
    "poisson:rate=1,turns=5,prompt=100,output=50,system=70,think=3,block=16,bounded=1",
  );
  const turns = conversation(workload, workload.requests[0]!);
  assert.deepEqual(
    turns.map(({ promptTokens }) => promptTokens),
    [170, 320, 470, 620, 770],
  );
  for (const [i, turn] of turns.entries()) {
    assert.equal(turn.blocks.length, Math.ceil(turn.promptTokens / 16));
    assert.equal(turn.session, turns[0]!.session);
    assert.equal(turn.maxTokens, 50);
    if (i === 0) continue;
    const before = turns[i - 1]!;
    // Whole blocks of the former prompt are there again; its unfinished one has become another.
    const whole = Math.floor(before.promptTokens / 16);
    assert.deepEqual(turn.blocks.slice(0, whole), before.blocks.slice(0, whole));
    assert.notEqual(turn.blocks[whole], before.blocks[whole]);
    assert.equal(turn.atUs, before.atUs + 4_000_000);
  }
});

test("conversations share their system prompt, whoever has them, and nothing else", () => {
  const one = "poisson:rate=10,prompt=64,system=128,block=64";
  const { requests } = synthesise(`${one},tenant=a + ${one},tenant=b,seed=2`);
  const shared = requests[0]!.blocks.slice(0, 2);
  const own = new Set<number>();
  for (const { blocks } of requests) {
    assert.deepEqual(blocks.slice(0, 2), shared);
    own.add(blocks[2]!);
  }
  assert.equal(own.size, requests.length);
  assert.equal(new Set(requests.map(({ tenant }) => tenant)).size, 2);
  assert.equal(blockHits({ requests }, Infinity).hits, 2 * (requests.length - 1));
  const three = synthesise(`${one},systems=3`).requests.map(({ blocks }) => blocks[0]);
  assert.equal(new Set(three).size, 3);
});

test("a conversation ends when its context is full, and a first turn is cut to it", () => {
  const workload = synthesise("poisson:rate=1,turns=100,prompt=100,output=100,context=1000");
  assert.equal(conversation(workload, workload.requests[0]!).length, 5);
  const { promptTokens, outputTokens } = synthesise("poisson:rate=1,prompt=5000,output=300,context=1000")
    .requests[0]!;
  assert.deepEqual([promptTokens, outputTokens], [700, 300]);
});

test("agents begin again when a task is done, and stop in time", () => {
  const workload = synthesise("agents:clients=3,turns=4,think=1,seconds=60");
  assert.equal(workload.requests.length, 3);
  const [first] = workload.requests;
  const calls = conversation(workload, first!);
  assert(calls.every(({ atUs }) => atUs < 60e6));
  assert.deepEqual(new Set(calls.map(({ session }) => session)).size, Math.ceil(calls.length / 4));
  assert.equal(calls[4]!.promptTokens, first!.promptTokens);
  assert.notEqual(calls[4]!.blocks[0], first!.blocks[0]);
});

test("a noisy tenant sends as much more as it is said to", () => {
  const { requests } = synthesise("poisson:rate=50,seconds=400,tenants=4,noisy=10,tenant=t");
  const share = requests.filter(({ tenant }) => tenant === "t-0").length / requests.length;
  close(share, 10 / 13, 0.03);
});

test("hopes and bands go with the requests", () => {
  const [request] = synthesise("poisson:rate=1,ttft=500,tpot=20,priority=high").requests;
  assert.deepEqual(request!.slo, { ttftUs: 500_000, tpotUs: 20_000 });
  assert.equal(request!.priority, "high");
});

test("what can't be understood is said", () => {
  const wrong: [string, RegExp][] = [
    ["steady:rate=1", /"steady" is no kind of workload: one of poisson,/],
    ["poisson", /poisson: rate must be a number/],
    ["poisson:rate=fast", /rate must be a number .* "fast"/],
    ["poisson:rate=1,rate=2", /rate is there twice/],
    ["poisson:rate=1,speed=2", /has no "speed", but block,/],
    ["poisson:rate", /"rate" is not like name=value/],
    ["poisson:rate=1,turns=1.5", /turns must be a whole number/],
    ["poisson:rate=1,prompt=1~2~3", /prompt must be like/],
    ["poisson:rate=1,prompt=64@", /prompt must be like/],
    ["poisson:rate=1,prompt=", /not like name=value/],
    ["gamma:rate=1", /cv must be a number/],
    ["poisson:rate=0.001,seconds=0.01", /comes to no request/],
    ["poisson:rate=1 + poisson:rate=1,block=16", /blocks of the same size/],
    [Array.from({ length: 17 }, () => "poisson:rate=1").join(" + "), /17 parts/],
  ];
  for (const [description, message] of wrong) {
    assert.throws(() => synthesise(description), { name: "WorkloadProblem", message });
  }
  for (const kind of SYNTHETIC_KINDS) assert.throws(() => synthesise(kind), { name: "WorkloadProblem" });
});
