import * as profiles from "../core/placement/profiles/index.ts";
import type { Scheduling, TailConfig } from "../core/config.ts";
import { schedulingOf } from "../core/default-scheduling.ts";
import { FAIRNESS, ORDERING } from "../core/queueing/catalogues.ts";
import type { Random } from "../core/random.ts";
import { seconds } from "../core/units.ts";
import { HASH_TOKENS } from "./clients.ts";

const PROFILES = Object.values(profiles).map(({ name }) => name);

/** The plainest there is, so that checkers can tell where a packet has to go. */
export function plainScheduling(random: Random): Scheduling {
  return withPrefixes(schedulingOf(random.pick(["least-request", "sessions-kv"])));
}

/** Whether a packet goes wherever there is room for it, in the order in which they came. Such worlds keep their policies. */
export function isPlain({ placement, queueing }: Scheduling): boolean {
  const isAnywhere = placement.profile === "least-request" || placement.profile === "sessions-kv";
  return isAnywhere && placement.canary === null && queueing.fairness.name === "fcfs-flows";
}

/** Any policies of those that come with Headgate. */
export function drawScheduling(random: Random): Scheduling {
  const scheduling = withPrefixes(schedulingOf(random.pick(PROFILES)));
  const { queueing, placement } = scheduling;
  return {
    ...scheduling,
    placement: {
      ...placement,
      canary: random.chance(0.2) ? { profile: random.pick(PROFILES), share: random.fraction() } : null,
      slo: random.chance(0.5) ? { ttftUs: seconds(1), tpotUs: seconds(0.05) } : null,
    },
    queueing: {
      ...queueing,
      fairness: { name: random.pick(Object.keys(FAIRNESS)), parameters: {} },
      ordering: { name: random.pick(Object.keys(ORDERING)), parameters: {} },
      flowBy: random.pick(["tenant", "key"]),
      weights: random.chance(0.3) ? { red: 3 } : {},
    },
    admission: {
      ...scheduling.admission,
      rates: random.chance(0.3) ? { small: { perSecond: random.pick([0.5, 5]), burst: 3 } } : {},
    },
    tail: drawTail(random),
  };
}

function drawTail(random: Random): TailConfig {
  return {
    hedge: null,
    backoff: random.pick([
      { baseUs: 0, maxUs: 0 },
      { baseUs: seconds(0.05), maxUs: seconds(2) },
    ]),
    breaker: random.chance(0.5) ? { failures: 3, successes: 2, openUs: seconds(10) } : null,
    migration: false,
  };
}

function withPrefixes(scheduling: Scheduling): Scheduling {
  const { placement } = scheduling;
  return {
    ...scheduling,
    placement: { ...placement, prefix: { ...placement.prefix, blockTokens: HASH_TOKENS } },
  };
}
