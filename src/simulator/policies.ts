import { BATCHING } from "../core/batching/catalogue.ts";
import { SATURATION, SHEDDING } from "../core/admission/catalogues.ts";
import type {
  AdmissionConfig,
  BandConfig,
  PlacementConfig,
  ProfileConfig,
  QueueingConfig,
  Scheduling,
  TailConfig,
} from "../core/config.ts";
import { schedulingOf } from "../core/default-scheduling.ts";
import { BATCH_PLACERS, FILTERS, PICKERS, PROFILES, SCORERS } from "../core/placement/profile.ts";
import type { Catalogue, PolicyChoice } from "../core/policy.ts";
import { BANDS, FAIRNESS, ORDERING } from "../core/queueing/catalogues.ts";
import type { Random } from "../core/random.ts";
import { seconds } from "../core/units.ts";
import { HASH_TOKENS, PRIORITIES } from "./clients.ts";

/** Of a profile that is drawn and not one of those that come with Headgate. */
const DRAWN = "drawn";

/** The plainest there is, so that checkers can tell where a packet has to go, with whatever is done about failures. */
export function plainScheduling(random: Random): Scheduling {
  const { placement, ...rest } = schedulingOf(random.pick(["least-request", "sessions-kv"]));
  return { ...rest, placement: withPrefixes(placement, random), tail: drawTail(random) };
}

/** Whether every packet may go to every endpoint that has room for it, in whatever order it prefers them. */
export function isAnywhere({ profile, profiles, canary }: PlacementConfig): boolean {
  const chosen = profiles[profile] ?? PROFILES[profile];
  return canary === null && chosen !== undefined && chosen.filters.length === 0 && chosen.batch === undefined;
}

/** Whether a packet goes wherever there is room for it, in the order in which they came. */
export function isPlain({ placement, queueing }: Scheduling): boolean {
  return isAnywhere(placement) && isFirstCome(queueing);
}

/** Whether packets are served in the order in which they came, whoever they are from. */
export function isFirstCome({ bands, fairness, ordering, batching, caps }: QueueingConfig): boolean {
  const isOneLine = bands.length === 1 && batching === null && Object.keys(caps).length === 0;
  return isOneLine && fairness.name === "fcfs-flows" && ordering.name === "fcfs";
}

/** Any policies of those that come with Headgate. */
export function drawScheduling(random: Random): Scheduling {
  return {
    placement: drawPlacement(random),
    queueing: drawQueueing(random),
    admission: drawAdmission(random),
    tail: drawTail(random),
  };
}

/** What an operator changes: some of the parts, and the others stay. */
export function drawChanges(random: Random): Partial<Scheduling> {
  const drawn = drawScheduling(random);
  const parts = (Object.keys(drawn) as (keyof Scheduling)[]).filter(() => random.chance(0.5));
  return Object.fromEntries(parts.map((part) => [part, drawn[part]]));
}

function drawPlacement(random: Random): PlacementConfig {
  // Bands, caps and the like are best seen where packets may go anywhere.
  const names = random.chance(0.3) ? ["least-request"] : Object.keys(PROFILES);
  const { placement } = schedulingOf(random.pick(names));
  const isDrawn = names.length > 1 && random.chance(0.3);
  return {
    ...withPrefixes(placement, random),
    ...(isDrawn && { profile: DRAWN, profiles: { [DRAWN]: drawProfile(random) } }),
    canary: random.chance(0.2)
      ? { profile: random.pick(Object.keys(PROFILES)), share: random.fraction() }
      : null,
    slo: random.chance(0.5) ? { ttftUs: seconds(1), tpotUs: seconds(0.05) } : null,
  };
}

function drawProfile(random: Random): ProfileConfig {
  const scorers = Array.from({ length: random.between(0, 3) }, () => {
    return { ...drawChoice(SCORERS, random), weight: random.between(1, 3) };
  });
  return {
    filters: Array.from({ length: random.between(0, 2) }, () => drawChoice(FILTERS, random)),
    scorers,
    picker: drawChoice(PICKERS, random),
    ...(random.chance(0.2) && { batch: drawChoice(BATCH_PLACERS, random) }),
  };
}

function drawQueueing(random: Random): QueueingConfig {
  const { queueing } = schedulingOf("least-request");
  return {
    ...queueing,
    bands: drawBands(random),
    bandPolicy: drawChoice(BANDS, random),
    fairness: drawChoice(FAIRNESS, random),
    ordering: drawChoice(ORDERING, random),
    batching: random.chance(0.15) ? drawChoice(BATCHING, random) : null,
    flowBy: random.pick(["tenant", "key", "hint"]),
    weights: random.chance(0.3) ? { red: 3 } : {},
    caps: random.chance(0.2) ? { red: 2, blue: 1 } : {},
  };
}

function drawBands(random: Random): BandConfig[] {
  const names = PRIORITIES.filter(() => random.chance(0.7));
  if (names.length === 0) return schedulingOf("least-request").queueing.bands;
  return names.map((name) => ({
    name,
    weight: random.between(1, 4),
    packetsMax: random.chance(0.2) ? random.between(1, 20) : null,
    bytesMax: random.chance(0.1) ? 8_192 : null,
    ttlUs: random.chance(0.3) ? seconds(random.between(1, 10)) : null,
    isSheddable: random.chance(0.3),
    preempts: random.chance(0.5),
  }));
}

function drawAdmission(random: Random): AdmissionConfig {
  return {
    saturation: drawChoice(SATURATION, random),
    shedding: drawChoice(SHEDDING, random),
    rates: random.chance(0.3) ? { small: { perSecond: random.pick([0.5, 1.7, 5]), burst: 3 } } : {},
    payerRates: random.chance(0.2)
      ? { red: { perSecond: 2, burst: 5 }, "blue/a": { perSecond: 0.7, burst: 2 } }
      : {},
  };
}

function drawTail(random: Random): TailConfig {
  return {
    hedge: random.chance(0.5)
      ? {
          percentile: random.pick([0.5, 0.8, 0.95]),
          shareMax: random.pick([0.05, 0.3, 1]),
          samplesMin: random.pick([1, 10]),
        }
      : null,
    backoff: random.pick([
      { baseUs: 0, maxUs: 0 },
      { baseUs: seconds(0.05), maxUs: seconds(2) },
      { baseUs: seconds(4), maxUs: seconds(30) },
    ]),
    breaker: random.chance(0.5)
      ? {
          failures: random.between(1, 3),
          successes: random.between(1, 2),
          openUs: seconds(random.pick([2, 10])),
        }
      : null,
    migration: random.chance(0.65),
  };
}

/** With default parameters. */
function drawChoice(catalogue: Catalogue<unknown>, random: Random): PolicyChoice {
  return { name: random.pick(Object.keys(catalogue)), parameters: {} };
}

function withPrefixes(placement: PlacementConfig, random: Random): PlacementConfig {
  const { prefix } = placement;
  return {
    ...placement,
    prefix: { ...prefix, blockTokens: HASH_TOKENS },
    // Prompts are short here.
    splitTokensMin: random.pick([10, 100]),
  };
}
