import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import type { Experiment, ExperimentResult } from "../../../src/simulator/lab/experiment.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import { readWorkload } from "../../../src/simulator/workloads/read-workload.ts";
import { ENDPOINTS, ENGINE, STEP_NOISE } from "../fleet/run.ts";
import { type Line, NO_LINE, type ValidationGroup } from "../line.ts";
import { sharedData } from "../shared-data.ts";

const SECONDS_MAX = 5;
/** The first runs while code is still being compiled, as it is for somebody who runs one; the best of them counts. */
const RUNS = { full: 3, quick: 1 };
/** Of the trace, for both ways of running it. */
const PART_REQUESTS = { full: 3_000, quick: 500 };
const POLICY = "round-robin";
const TRACE = "conversation_trace.jsonl";

export const simulatorSpeedGroup: ValidationGroup = {
  name: "simulator-speed",
  source: `Mooncake's conversation trace, 59 minutes and 12,031 requests, by ${POLICY} on ${ENDPOINTS} endpoints of ${ENGINE.name}, all checkers on; processor time of the process on the machine above, its compiler and garbage collector included`,
  command: "npm run validate -- --only simulator-speed",
  async *run({ isQuick }) {
    const size = isQuick ? "quick" : "full";
    const trace = sharedData("traces", "mooncake", TRACE);
    if (!trace.exists) {
      const note = `${trace.path} is not there`;
      yield { ...NO_LINE, what: "one event per packet edge", note };
      return;
    }
    const workload = await readWorkload("mooncake", trace.path);
    yield speedLine(Array.from({ length: RUNS[size] }, () => timed(experimentOf(workload))));
    const part = await readWorkload("mooncake", trace.path, { requestsMax: PART_REQUESTS[size] });
    const coarse = timed(experimentOf(part));
    const fine = timed({ ...experimentOf(part), perToken: true });
    yield sameLine(coarse, fine);
  },
};

interface TimedRun {
  result: ExperimentResult;
  cpuSeconds: number;
  seconds: number;
}

function experimentOf(workload: Experiment["workload"]): Experiment {
  return {
    seed: 1,
    fleet: [{ profile: ENGINE, count: ENDPOINTS }],
    workload,
    stepNoise: STEP_NOISE,
    config: { scheduling: schedulingOf(POLICY) },
  };
}

function timed(experiment: Experiment): TimedRun {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const result = runExperiment(experiment);
  const { user, system } = process.cpuUsage(startCpu);
  return { result, cpuSeconds: (user + system) / 1e6, seconds: (performance.now() - startMs) / 1_000 };
}

function speedLine(runs: readonly TimedRun[]): Line {
  const { result, cpuSeconds } = runs.reduce((best, run) => (run.cpuSeconds < best.cpuSeconds ? run : best));
  const { requests, violations, virtualSeconds, events } = result;
  const isSound = violations.length === 0 && requests.every(({ outcome }) => outcome === "completed");
  return {
    ...NO_LINE,
    what: "one event per packet edge, s",
    expected: `at most ${SECONDS_MAX}`,
    got: cpuSeconds,
    verdict: isSound && cpuSeconds <= SECONDS_MAX ? "holds" : "missed",
    note:
      `${requests.length} requests in ${(virtualSeconds / 60).toFixed(1)} virtual minutes, ${events} events; ` +
      `all runs: ${runs.map((run) => run.cpuSeconds.toFixed(2)).join(", ")} s` +
      (isSound ? "" : `; ${violations[0]?.message ?? "not all requests were completed"}`),
    seconds: runs.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

/** The same effects in the same order at the same time give the same hash; and so does each request its result. */
function sameLine(coarse: TimedRun, fine: TimedRun): Line {
  const isSame =
    coarse.result.hash === fine.result.hash &&
    JSON.stringify(coarse.result.requests) === JSON.stringify(fine.result.requests);
  return {
    ...NO_LINE,
    what: "one event per token decides the same",
    expected: coarse.result.hash.slice(0, 8),
    got: fine.result.hash.slice(0, 8),
    verdict: isSame ? "holds" : "missed",
    note: `hash of all effects, and every request's times, of the first ${coarse.result.requests.length}; ${coarse.cpuSeconds.toFixed(1)} s against ${fine.cpuSeconds.toFixed(1)} s`,
    seconds: coarse.seconds + fine.seconds,
  };
}
