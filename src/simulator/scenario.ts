import type { ZoneRules } from "../core/budget/calendar.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import type { CoreConfig } from "../core/config.ts";
import { type Micros, seconds } from "../core/units.ts";
import {
  ANY_MODEL,
  type ServedModel,
  WORKER_ROLES,
  type WorkerDialect,
  type WorkerLimits,
  type WorkerRole,
} from "../core/vocabulary.ts";
import type { EngineProfile } from "./engine-profiles/engine-profile.ts";
import { drawLimits, drawPrices, drawZone } from "./money.ts";
import { drawScheduling, plainScheduling } from "./policies.ts";
import { Random } from "../core/random.ts";
import { drawGpus } from "./gpus.ts";
import type { SlicesSpec } from "./slicing.ts";

/** One virtual world before anything has happened in it. */
export interface Scenario {
  startUs: Micros;
  config: CoreConfig;
  /** Those that stand when it begins. */
  limits: LimitRow[];
  /** Rules of the time zones that limits may be in. */
  zones: ZoneRules[];
  workers: WorkerSpec[];
  remotes: WorkerSpec[];
  load: Load;
  /** What agents do about slices; null where there are none. */
  slices: SlicesSpec | null;
  /** Whether the supervisor is told to stop when all has been answered, and not in the middle of it. */
  isAnsweredOut: boolean;
  /** Whether somebody changes policies while requests run. */
  hasOperator: boolean;
  disk: DiskSpec;
  network: { delayUs: Micros; reportDelayUs: Micros };
}

export interface DiskSpec {
  /** Time to make a group durable; 0 for a disk that answers at once, inside the supervisor's own step. */
  syncUs: Micros;
  /** How long a group that nobody waits for may grow. */
  relaxedUs: Micros;
}

export interface WorkerSpec {
  id: string;
  dialect: WorkerDialect;
  models: ServedModel[];
  limits: WorkerLimits;
  engine: EngineSpec;
  /** Remote endpoints send no heartbeats. */
  isRemote: boolean;
  heartbeatUs: Micros;
  role: WorkerRole;
  labels: Readonly<Record<string, string>>;
  /** Whether its reports say which sessions are this supervisor's own. */
  countsOwnSessions: boolean;
  parking: ParkingSpec;
}

/** How a worker keeps the KV state of answers that it has parked. */
export interface ParkingSpec {
  /** So many at most: one more pushes the oldest out. */
  statesMax: number;
  /** Each for so long. */
  ttlUs: Micros;
}

export interface EngineSpec {
  profile: EngineProfile;
  /** Relative standard deviation of the duration of a step. */
  stepNoise: number;
  /** Tokens of a stream that are told together. */
  burstTokens: number;
}

export interface Load {
  requests: number;
  meanGapUs: Micros;
  /** Share of arrivals that bring others with them at the same instant. */
  burstShare: number;
  promptTokensMax: number;
  answerTokensMean: number;
  /** Whether requests name priorities, flows, sessions, labels and hopes for latency. */
  hasHints: boolean;
  /** Share of requests that ask for several answers. */
  choicesShare: number;
  /** How long those who wait for their budget do so at most. */
  patienceUs: Micros;
  names: readonly string[];
}

const KIB = 1_024;

/** What a laboratory's workers do: nothing that is parked is lost. */
export const LARGE_PARKING: ParkingSpec = { statesMax: 10_000, ttlUs: seconds(60) };

/** Of every model on every worker. */
export const KV_BYTES_PER_TOKEN = 1_024;

/** Larger than anything here; a report is JSON, which knows no infinity. */
const UNLIMITED: WorkerLimits = { sessionsMax: 1_000, sessionKvBytesMax: 1e12, kvBytesMax: 1e12 };

/** Nothing is short, and nobody is silent for long enough to be called stale. */
const CALM: Partial<WorkerSpec> = {
  dialect: "headgate",
  limits: UNLIMITED,
  countsOwnSessions: true,
  heartbeatUs: seconds(5),
};

const CALM_ENGINE: Partial<EngineProfile> = { kvTokens: 1_000_000, sequencesMax: 64, admission: "prompt" };

/** A whole second, as far from zero as a real clock is. */
const AFTERNOON_US: Micros = 1_700_000_000_000_000;
const DAY_US: Micros = seconds(86_400);
const MIDNIGHT_US: Micros = Math.ceil(AFTERNOON_US / DAY_US) * DAY_US;

/** Draws a world; the draws are made to reach limits and timeouts, not to look like anybody's traffic. */
export function drawScenario(random: Random, options: { requests: number; isCalm: boolean }): Scenario {
  const isUniform = options.isCalm || random.chance(0.5);
  const model = drawWorker(random, "w0", MODELS);
  if (options.isCalm) {
    Object.assign(model, CALM);
    Object.assign(model.engine.profile, CALM_ENGINE);
  }
  const hasPools = random.chance(0.35);
  const workers = Array.from({ length: random.pick([1, 2, 3, 3, 4, 5]) }, (_, index): WorkerSpec => {
    const id = `w${index}`;
    const role = hasPools ? random.pick(WORKER_ROLES) : "both";
    if (isUniform) return { ...model, id, role };
    // The first serves every model, so that most requests find one.
    const isPartial = index > 0 && random.chance(0.4);
    return { ...drawWorker(random, id, isPartial ? [random.pick(MODELS)] : MODELS), role };
  });
  if (!options.isCalm && random.chance(0.15)) {
    // Whatever is asked of it, among other things what nobody else has.
    workers.push({ ...drawWorker(random, "any", [ANY_MODEL]), dialect: "prefill_decode" });
  }
  const hasRemote = random.chance(0.4);
  const config = drawConfig(random);
  // An overloaded engine is slow, and that is no fault.
  if (options.isCalm) Object.assign(config.timeouts, { prefillUs: seconds(60), stallUs: seconds(60) });
  const rented = random.chance(0.3) ? ["rented", "small"] : ["rented"];
  const remote = { name: "remote", models: rented, concurrencyMax: 4, contextTokens: 8_192, labels: {} };
  const load = {
    requests: options.requests,
    meanGapUs: seconds(random.pick([0.1, 0.3, 0.8, 2])),
    burstShare: random.pick([0, 0.02, 0.1]),
    promptTokensMax: random.pick([40, 200, 800]),
    answerTokensMean: random.pick([5, 20, 60]),
    hasHints: random.chance(0.5),
    choicesShare: random.pick([0, 0.25, 0.25]),
    patienceUs: seconds(random.pick([2, 10, 30])),
    names: hasRemote ? [...CLIENT_NAMES, ...Array.from({ length: 6 }, () => "rented")] : CLIENT_NAMES,
  };
  const scenario: Scenario = {
    startUs: random.chance(0.5) ? shortlyBeforeMidnight(random, load) : AFTERNOON_US,
    config: { ...config, remotes: hasRemote ? [remote] : [] },
    limits: drawLimits(random, { load, prices: config.prices }),
    zones: [drawZone(random, { changesUs: MIDNIGHT_US })],
    workers,
    remotes: hasRemote ? [remoteSpec(random, remote)] : [],
    load,
    slices: null,
    isAnsweredOut: false,
    hasOperator: random.chance(0.5),
    disk: { syncUs: random.pick([0, 500, 4_000, 30_000]), relaxedUs: random.pick([0, 5_000, 200_000]) },
    network: { delayUs: random.pick([50, 500, 5_000]), reportDelayUs: 0 },
  };
  // By chance of its own, so that all else is drawn as if there were no GPUs.
  return drawGpus(new Random(config.seed), scenario);
}

/** So that the day changes while requests come. */
function shortlyBeforeMidnight(random: Random, { requests, meanGapUs }: Load): Micros {
  return MIDNIGHT_US - Math.round(requests * meanGapUs * random.fraction());
}

const MODELS: readonly string[] = ["small", "large"];

/** What clients call models by: `default` is an alias, `planned` is served by nobody, `unheard` does not exist. */
const CLIENT_NAMES: readonly string[] = [
  ...Array.from({ length: 24 }, () => "default"),
  ...Array.from({ length: 16 }, () => "small"),
  ...Array.from({ length: 16 }, () => "large"),
  "planned",
  "unheard",
];

function drawConfig(random: Random): CoreConfig {
  return {
    ...drawPrices(random, { changesUs: MIDNIGHT_US }),
    packetTokens: random.pick([1, 4, 16, 64]),
    gpuPacketUs: seconds(10),
    slices: { openMax: 8, perPayerMax: 8, depthMax: 3, ttlMaxUs: seconds(60) },
    models: {
      small: { maxTokensDefault: 64 },
      large: { maxTokensDefault: 128 },
      planned: { maxTokensDefault: 64 },
    },
    aliases: { default: "small" },
    remotes: [],
    scheduling: random.chance(0.4) ? plainScheduling(random) : drawScheduling(random),
    seed: random.between(0, 2 ** 32 - 1),
    limits: {
      workersMax: 1_000,
      sessionsMax: random.pick([3, 1_000, 1_000]),
      // What one or two of the shorter contexts take, or more than there is.
      kvBytesMax: random.pick([512 * KIB, 1_024 * KIB, 1_000_000 * KIB, 1_000_000 * KIB]),
      queuePacketsMax: random.pick([0, 3, 10, 1_000]),
      queueBytesMax: random.pick([16 * KIB, 1_000 * KIB]),
      choicesMax: 4,
    },
    timeouts: {
      queueUs: seconds(random.pick([2, 8, 30])),
      prefillUs: seconds(random.pick([2, 5])),
      stallUs: seconds(random.pick([1, 4])),
      totalUs: seconds(random.pick([6, 25, 90])),
      slowClientUs: seconds(random.pick([1, 5])),
      drainUs: seconds(random.pick([2, 20, 100])),
    },
    heartbeats: {
      staleUs: seconds(random.pick([8, 30])),
      deadUs: seconds(random.pick([16, 60])),
      behindMs: 30_000,
      aheadMs: 5_000,
    },
    retriesMax: random.pick([0, 1, 2, 2]),
  };
}

function drawWorker(random: Random, id: string, models: readonly string[]): WorkerSpec {
  const slots = random.between(1, 8);
  const served = (model: string): ServedModel => {
    const contextTokens = random.pick([512, 1_024, 4_096]);
    // Most can go on with each other's answers, and load each other's states.
    const modelHash = random.pick(["v1", "v1", "v1", "v1", "v2", null]);
    const stateFingerprint = random.pick(["s1", "s1", "s1", "s1", "s2", null]);
    const kinds = { modelHash, stateFingerprint };
    return { model, slots, contextTokens, kvBytesPerToken: KV_BYTES_PER_TOKEN, ...kinds };
  };
  return {
    id,
    dialect: random.chance(0.04) ? "prefill_decode" : "headgate",
    models: models.map(served),
    limits: {
      sessionsMax: random.pick([slots, 100]),
      sessionKvBytesMax: random.pick([500 * KIB, 5_000 * KIB]),
      kvBytesMax: random.pick([700 * KIB, 8_000 * KIB]),
    },
    engine: drawEngine(random),
    isRemote: false,
    heartbeatUs: seconds(random.pick([2, 5, 10])),
    role: "both",
    labels: random.pick([{}, { region: "eu" }, { region: "us", capability: "tools, vision" }]),
    countsOwnSessions: random.chance(0.8),
    parking: { statesMax: random.pick([1, 100]), ttlUs: seconds(random.pick([0.5, 30])) },
  };
}

function drawEngine(random: Random): EngineSpec {
  const burstTokens = random.pick([1, 4, 8, 16]);
  const stepUs = Math.ceil(random.between(5_000, 40_000) / burstTokens);
  const tokensPerStepMax = random.pick([64, 64, 256]);
  const isMixed = random.chance(0.7);
  return {
    burstTokens,
    stepNoise: random.pick([0, 0, 0.03, 0.5]),
    profile: {
      name: "drawn",
      source: "a simulation's seed",
      prefillUs: [stepUs, random.between(20, 200), random.pick([0, 0.05])],
      decodeUs: [stepUs, random.between(500, 5_000), random.pick([0, 1])],
      // As much as its context has room for, or so little that sequences are preempted.
      kvTokens: random.pick([2_000, 20_000, 1_000_000]),
      blockTokens: random.pick([1, 16]),
      sequencesMax: random.pick([4, 64]),
      contextTokens: 4_096,
      batching: isMixed
        ? { kind: "mixed", tokensPerStepMax }
        : { kind: "alternating", tokensPerStepMax, decodeStepsBetween: random.between(1, 10) },
      admission: random.chance(0.2) ? "peak" : "prompt",
      prefixCache: random.chance(0.5),
      startUs: 0,
      bytesPerKvToken: KV_BYTES_PER_TOKEN,
    },
  };
}

/** A rented endpoint stands where a worker stands. */
function remoteSpec(random: Random, remote: CoreConfig["remotes"][number]): WorkerSpec {
  const { name, models, concurrencyMax, contextTokens } = remote;
  return {
    id: name,
    dialect: "headgate",
    models: models.map((model) => ({ model, slots: concurrencyMax, contextTokens, kvBytesPerToken: 0 })),
    limits: { ...UNLIMITED, sessionsMax: concurrencyMax },
    engine: drawEngine(random),
    isRemote: true,
    heartbeatUs: Infinity,
    role: "both",
    labels: remote.labels,
    countsOwnSessions: true,
    parking: LARGE_PARKING,
  };
}
