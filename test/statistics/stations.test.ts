import assert from "node:assert/strict";
import { test } from "node:test";
import { combineLevels, levelRuns } from "../../bench/validate/closed-forms/levels.ts";
import type { Outcome } from "../../bench/validate/stations/outcome.ts";
import { runStation, type StationRun } from "../../bench/validate/stations/run.ts";
import { choicesMeanTime } from "../../src/simulator/queueing-theory/choices.ts";
import { exponentialTail, hedgedTail, tailQuantile } from "../../src/simulator/queueing-theory/hedging.ts";
import {
  erlangB,
  erlangC,
  mmcMeanTime,
  mmcMeanWait,
} from "../../src/simulator/queueing-theory/many-servers.ts";
import {
  mg1MeanTime,
  mm1kBlocking,
  mm1MeanTime,
  preemptiveTimes,
  priorityWaits,
  processorSharingTime,
  tandemMeanTime,
} from "../../src/simulator/queueing-theory/single-server.ts";
import { mean } from "../../src/simulator/statistics/moments.ts";

/** Short runs from one seed: near enough to tell a station that is right from one that is not. */
const TOLERANCE = 0.1;
const REQUESTS = 60_000;

function figure({ whole, batches }: Outcome, name: string): number {
  return whole[name] ?? mean(batches.map(({ figures }) => figures[name]!));
}

function near(run: StationRun, expected: Record<string, number>): void {
  const outcome = runStation(run);
  for (const [name, value] of Object.entries(expected)) {
    const got = figure(outcome, name);
    assert(
      Math.abs(got / value - 1) < TOLERANCE,
      `${JSON.stringify(run)}: ${name} is ${got}, expected ${value}`,
    );
  }
}

const LINE = { seed: 1, law: "exponential", requests: REQUESTS } as const;

for (const through of ["lean", "core"] as const) {
  const line = { ...LINE, through, requests: through === "core" ? REQUESTS / 3 : REQUESTS };
  test(`a line is as the theory has it, through the ${through} one`, () => {
    near({ station: "line", options: { ...line, servers: 1, rates: [0.5] } }, { T: mm1MeanTime(0.5), N: 1 });
    const wait = { wait: erlangC(4, 0.7), W: mmcMeanWait(4, 0.7), T: mmcMeanTime(4, 0.7) };
    near({ station: "line", options: { ...line, servers: 4, rates: [2.8] } }, wait);
    const [W0, W1] = priorityWaits(0.3, 0.3);
    near({ station: "line", options: { ...line, servers: 1, rates: [0.3, 0.3] } }, { W0, W1 });
    near(
      { station: "line", options: { ...line, servers: 1, rates: [1], room: 5 } },
      { lost: mm1kBlocking(1, 5) },
    );
  });
}

test("other laws of service, and no line at all", () => {
  const line = { ...LINE, through: "lean", servers: 1, rates: [0.5] } as const;
  near({ station: "line", options: { ...line, law: "constant" } }, { T: mg1MeanTime(0.5, 0) });
  near({ station: "line", options: { ...line, law: "hyperexponential" } }, { T: mg1MeanTime(0.5, 4) });
  near({ station: "line", options: { ...line, servers: 8, rates: [6], room: 8 } }, { lost: erlangB(8, 6) });
});

test("sharing, interrupting, and servers in a row", () => {
  const shared = { T: processorSharingTime(0.6), T_small: processorSharingTime(0.6, 0.5) };
  near({ station: "sharing", options: { seed: 1, rate: 0.6, law: "two sizes", requests: REQUESTS } }, shared);
  const [T0, T1] = preemptiveTimes(0.3, 0.3);
  near({ station: "preemptive", options: { seed: 1, rates: [0.3, 0.3], requests: REQUESTS } }, { T0, T1 });
  const tandem = { seed: 1, rate: 0.5, services: [1, 1.5], requests: REQUESTS / 6 };
  near({ station: "tandem", options: tandem }, { T: tandemMeanTime(0.5, [1, 1.5]) });
});

test("the shortest of several lines, by the station and by the core's placement", () => {
  const few = { seed: 1, servers: 100, rate: 0.7, mayRepeat: false, seconds: 200, warmUpSeconds: 20 };
  near(
    { station: "choices", options: { ...few, choices: 2, through: "lean" } },
    { T: choicesMeanTime(0.7, 2) },
  );
  near(
    { station: "choices", options: { ...few, choices: 2, through: "core" } },
    { T: choicesMeanTime(0.7, 2) },
  );
  near(
    { station: "choices", options: { ...few, choices: 1, through: "core" } },
    { T: choicesMeanTime(0.7, 1) },
  );
});

test("second copies and many parts", () => {
  const hedged = { T_p99: tailQuantile(hedgedTail(exponentialTail, 2), 0.99), extra: exponentialTail(2) };
  near(
    { station: "hedging", options: { seed: 1, law: "exponential", delay: 2, requests: REQUESTS } },
    hedged,
  );
  near(
    { station: "fan-out", options: { seed: 1, parts: 10, slowSeconds: 2, requests: REQUESTS } },
    {
      slow: 1 - (1 - exponentialTail(2)) ** 10,
    },
  );
});

test("what is rare is found by stretches of levels", () => {
  const levels = { servers: 8, rate: 2, room: Infinity, requests: 400_000 };
  const { whole } = combineLevels(levelRuns(levels, 1).map(runStation), levels);
  // One request of a thousand waits.
  assert(erlangC(8, 0.25) < 0.002);
  assert(Math.abs(whole["wait"]! / erlangC(8, 0.25) - 1) < TOLERANCE);
  assert(Math.abs(whole["W"]! / mmcMeanWait(8, 0.25) - 1) < TOLERANCE);
  const room = { servers: 1, rate: 0.5, room: 12, requests: 400_000 };
  const full = combineLevels(levelRuns(room, 1).map(runStation), room).whole["lost"]!;
  assert(Math.abs(full / mm1kBlocking(0.5, 12) - 1) < TOLERANCE);
});

test("the core's VTC keeps services together, and first come first served does not", () => {
  const station = { seed: 1, poolTokens: 10_000, steps: 5_000 };
  const difference = (fairness: string): number =>
    runStation({ station: "fairness", options: { ...station, fairness } }).whole["difference"]!;
  assert(difference("vtc") <= 40_000);
  assert(difference("fcfs-flows") > 40_000);
});

function shortRun(seed: number): Outcome {
  const options = { ...LINE, seed, through: "lean", servers: 2, rates: [1], requests: 1_000 } as const;
  return runStation({ station: "line", options });
}

test("a seed decides all of a run", () => {
  assert.deepEqual(shortRun(1), shortRun(1));
  assert.notDeepEqual(shortRun(1), shortRun(2));
});
