import { pairedDifference, type Interval } from "../../../src/simulator/statistics/intervals.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { increaseText } from "../fleet/increase.ts";
import {
  ENDPOINTS,
  ENGINE,
  type FleetOutcome,
  type FleetRun,
  type PlacementUnderTest,
} from "../fleet/run.ts";
import type { Line, ValidationGroup } from "../line.ts";
import { Threads } from "../threads.ts";

/** Around three quarters of what the fleet can do, in prompts that come when they like. */
const RATE = 220;
const LENGTHS = "prompt=1000~1,output=100~1,block=512";
const SECONDS = { full: 20, quick: 8 };
const SEEDS = { full: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], quick: [1, 2] };

/** Reports this often, so that the age of one is the delay. */
const HEARTBEAT_US = 10_000;
const FRESH_US = 0;
/** The first is the one that is held to something. */
const AGES_US = { full: [100_000, 1_000_000, 5_000_000], quick: [100_000] };
const INCREASE_MAX = 0.2;
/** Published: what 100 ms cost a router that goes by reports. */
const BLIS_INCREASE = 3.54;

/** Policies that go by how busy workers are. */
const POLICIES = ["standard", "least-request", "sessions-kv"];

export const stalenessGroup: ValidationGroup = {
  name: "staleness",
  source:
    `BLIS: reports that are 100 ms old cost +${BLIS_INCREASE * 100} % of TTFT p99 where they are believed; ours less than +${INCREASE_MAX * 100} %, for what is in flight counts. ` +
    `${RATE} requests/s of some 1,000 tokens on ${ENDPOINTS} endpoints of ${ENGINE.name}, against the same with reports of this moment, ${SEEDS.full.length} seeds`,
  command: "npm run validate -- --only staleness",
  async *run({ isQuick }) {
    const size = isQuick ? "quick" : "full";
    await using threads: Threads<FleetRun, FleetOutcome> = new Threads(
      new URL("../fleet/thread.ts", import.meta.url),
    );
    const measure = async (placement: PlacementUnderTest, reportDelayUs: number): Promise<number[]> => {
      const outcomes = await Promise.all(
        SEEDS[size].map((seed) => {
          const synthetic = `poisson:rate=${RATE},${LENGTHS},seconds=${SECONDS[size]},seed=${seed}`;
          const run = { workload: { synthetic }, seed, load: 1, placement };
          return threads.run({ ...run, heartbeatUs: HEARTBEAT_US, reportDelayUs });
        }),
      );
      const [violation] = outcomes.flatMap(({ violations }) => violations);
      if (violation !== undefined) throw new Error(`${JSON.stringify(placement)}: ${violation}`);
      return outcomes.map(({ ttftMs }) => ttftMs.p99);
    };
    for (const placement of POLICIES) {
      const fresh = await measure(placement, FRESH_US);
      for (const ageUs of placement === POLICIES[0] ? AGES_US[size] : AGES_US.quick) {
        const startMs = performance.now();
        const stale = await measure(placement, ageUs);
        const isHeld = ageUs === AGES_US.full[0];
        yield lineOf({
          isQuick,
          what: `${placement}, reports ${ageUs / 1_000} ms old`,
          fresh,
          stale,
          startMs,
          isHeld,
        });
      }
    }
    // What would be without: the least busy by the last look, of which there is one for each report.
    const startMs = performance.now();
    const fresh = await measure({ looksEveryUs: 0 }, FRESH_US);
    const stale = await measure({ looksEveryUs: AGES_US.full[0]! }, FRESH_US);
    yield controlOf({ what: "control: believes looks 100 ms apart", fresh, stale, startMs, isQuick });
  },
};

interface Ages {
  what: string;
  /** p99 of TTFT by seed, in ms. */
  fresh: readonly number[];
  stale: readonly number[];
  startMs: number;
  /** Too short for an interval that says anything. */
  isQuick: boolean;
}

/** All of the interval has to be below the bound. */
function lineOf({ isHeld, ...ages }: Ages & { isHeld: boolean }): Line {
  const { value, halfWidth } = increaseOf(ages);
  const most = ages.isQuick ? value : value + halfWidth;
  return {
    ...shown(ages),
    expected: `below +${INCREASE_MAX * 100} %`,
    verdict: most < INCREASE_MAX || !isHeld ? "holds" : "missed",
  };
}

/** Shows that the workload would punish it: all of the interval has to be above the bound. */
function controlOf(ages: Ages): Line {
  const { value, halfWidth } = increaseOf(ages);
  const least = ages.isQuick ? value : value - halfWidth;
  return {
    ...shown(ages),
    expected: `above +${INCREASE_MAX * 100} %`,
    verdict: least > INCREASE_MAX ? "holds" : "missed",
  };
}

function shown(ages: Ages): Omit<Line, "expected" | "verdict"> {
  const { what, fresh, stale, startMs } = ages;
  return {
    what,
    got: increaseText(increaseOf(ages)),
    halfWidth: null,
    note: `TTFT p99 ${mean(stale).toFixed(0)} ms against ${mean(fresh).toFixed(0)} ms`,
    seconds: (performance.now() - startMs) / 1_000,
  };
}

/** Of the fresh one's mean. */
function increaseOf({ fresh, stale }: Ages): Interval {
  const { value, halfWidth, ...rest } = pairedDifference(stale, fresh);
  return { value: value / mean(fresh), halfWidth: halfWidth / mean(fresh), ...rest };
}
