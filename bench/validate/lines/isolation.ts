import type { QueueingConfig } from "../../../src/core/config.ts";
import { meanInterval } from "../../../src/simulator/statistics/intervals.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { increaseText } from "../fleet/increase.ts";
import { ENDPOINTS, ENGINE, type FleetOutcome, type FleetRun } from "../fleet/run.ts";
import type { ValidationGroup } from "../line.ts";
import { Threads } from "../threads.ts";

/** Equal tenants, one of which is to be the noisy one. */
const TENANTS = 10;
/** Requests a second of each: all together half of what the fleet can do. */
const RATE = 10;
const LENGTHS = "prompt=1000~1,output=300~1,block=512";
/** The noisy tenant sends so many times its share. */
const NOISE = 10;
/** Twice what a tenant has running on average: it is seldom that its own bursts reach it. */
const CAP = 60;
const MOVE_MAX = 0.1;
const SECONDS = { full: 30, quick: 12 };
const SEEDS = { full: [1, 2, 3, 4, 5], quick: [1, 2] };
const NOISY = "noisy";
const calm = (i: number): string => `calm-${i}`;
const NAMES = [NOISY, ...Array.from({ length: TENANTS - 1 }, (_, i) => calm(i))];

const FAIR: Partial<QueueingConfig> = {
  fairness: { name: "vtc", parameters: {} },
  caps: Object.fromEntries(NAMES.map((name) => [name, CAP])),
};
const UNFAIR: Partial<QueueingConfig> = { fairness: { name: "fcfs-flows", parameters: {} } };

export const isolationGroup: ValidationGroup = {
  name: "isolation",
  source:
    `A tenant at ${NOISE} × its share moves the others' p99 of TTFT by at most ${MOVE_MAX * 100} %. ${TENANTS} tenants with ${RATE} requests/s each, of some 1,000 + 300 tokens, on ${ENDPOINTS} endpoints of ${ENGINE.name}, ${SEEDS.full.length} seeds. ` +
    `Configured for each tenant: queue.fairness vtc, and queue.caps ${CAP}, twice what one has running on average`,
  command: "npm run validate -- --only isolation",
  async *run({ isQuick }) {
    const size = isQuick ? "quick" : "full";
    await using threads: Threads<FleetRun, FleetOutcome> = new Threads(
      new URL("../fleet/thread.ts", import.meta.url),
    );
    const p99 = async (queueing: Partial<QueueingConfig>, noise: number): Promise<number[]> => {
      const outcomes = await Promise.all(
        SEEDS[size].map((seed) => {
          const synthetic = tenantsOf({ noise, seed, seconds: SECONDS[size] });
          const run = { workload: { synthetic }, seed, load: 1, placement: "standard" };
          return threads.run({ ...run, queueing, uncounted: NOISY });
        }),
      );
      const [violation] = outcomes.flatMap(({ violations }) => violations);
      if (violation !== undefined) throw new Error(violation);
      return outcomes.map(({ ttftMs }) => ttftMs.p99);
    };
    const usual = await p99(UNFAIR, 1);
    for (const [what, queueing] of [
      ["vtc and caps", FAIR],
      ["control: first come first served", UNFAIR],
    ] as const) {
      const startMs = performance.now();
      const before = queueing === UNFAIR ? usual : await p99(queueing, 1);
      const noisy = await p99(queueing, NOISE);
      const moved = meanInterval(noisy.map((ms, seed) => ms / before[seed]! - 1));
      const isControl = queueing === UNFAIR;
      const margin = isQuick ? 0 : moved.halfWidth;
      const isHeld = isControl ? moved.value - margin > MOVE_MAX : moved.value + margin <= MOVE_MAX;
      yield {
        what,
        expected: `${isControl ? "above" : "at most"} +${MOVE_MAX * 100} %`,
        got: increaseText(moved),
        halfWidth: null,
        verdict: isHeld ? "holds" : "missed",
        note: `others' TTFT p99 ${mean(noisy).toFixed(0)} ms against ${mean(before).toFixed(0)} ms; ${mean(usual).toFixed(0)} ms without caps and noise`,
        seconds: (performance.now() - startMs) / 1_000,
      };
    }
  },
};

/** The others send the same whatever the noisy one does. */
function tenantsOf({ noise, seed, seconds }: { noise: number; seed: number; seconds: number }): string {
  const calms = `poisson:rate=${RATE * (TENANTS - 1)},tenant=calm,tenants=${TENANTS - 1}`;
  const noisy = `poisson:rate=${RATE * noise},tenant=${NOISY}`;
  const rest = `${LENGTHS},seconds=${seconds}`;
  return `${calms},${rest},seed=${2 * seed} + ${noisy},${rest},seed=${2 * seed + 1}`;
}
