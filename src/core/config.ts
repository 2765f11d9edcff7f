import type { Price, PriceFrom } from "./budget/money.ts";
import type { PolicyChoice } from "./policy.ts";
import type { Micros } from "./units.ts";
import type { Slo } from "./vocabulary.ts";

/** What the core needs to know before the first event; plain data, so a recording can carry it. */
export interface CoreConfig {
  /** Every model a client may name, by name; workers may serve more, which are found by their heartbeats. */
  models: Record<string, ModelConfig>;
  /** Other names for models, such as `default`. */
  aliases: Record<string, string>;
  /** Endpoints outside Headgate, which send no heartbeats. */
  remotes: RemoteConfig[];
  scheduling: Scheduling;
  /** Where the core's own random numbers start, so that a run can be had again. */
  seed: number;
  /** By the model's name as clients use it, after aliases: one price, or several, each from an instant on. */
  prices: Record<string, Price | PriceFrom[]>;
  /** Of models without one at that time; null when those are refused. */
  defaultPrice: Price | null;
  /** Output tokens of each choice that are held at a time, where the endpoint can be stopped in between. */
  packetTokens: number;
  /** Time of a GPU that is held at a time for each place that an answer takes, where a limit counts it. */
  gpuPacketUs: Micros;
  slices: {
    /** Open at the same time: in all, and below one key. */
    openMax: number;
    perPayerMax: number;
    /** One inside the other, at most. */
    depthMax: number;
    /** A slice is closed by itself after so long at the latest. */
    ttlMaxUs: Micros;
  };
  limits: {
    /** Workers known at the same time, remote endpoints among them. */
    workersMax: number;
    /** Sessions running on all workers together. */
    sessionsMax: number;
    /** KV cache reserved on all workers together. */
    kvBytesMax: number;
    /** Requests waiting for capacity, and the bytes of their bodies. */
    queuePacketsMax: number;
    queueBytesMax: number;
    /** Ceiling on `n`. */
    choicesMax: number;
  };
  timeouts: {
    /** Without a place to run. */
    queueUs: Micros;
    /** From dispatch to the first token. */
    prefillUs: Micros;
    /** Between two tokens. */
    stallUs: Micros;
    /** From arrival to the last token. */
    totalUs: Micros;
    /** A client that reads nothing while tokens wait for it. */
    slowClientUs: Micros;
    /** How long running requests may go on after a stop was asked for. */
    drainUs: Micros;
  };
  heartbeats: {
    /** A worker not heard of for this long gets no new work. */
    staleUs: Micros;
    /** A worker not heard of for this long is given up, and its attempts with it. */
    deadUs: Micros;
    /** How far a worker's clock may be behind and ahead of ours. */
    behindMs: number;
    aheadMs: number;
  };
  /** Attempts after the first, each on an endpoint not tried yet. */
  retriesMax: number;
}

/** The policies, which may be replaced while requests run; `policy_set` does that. */
export interface Scheduling {
  placement: PlacementConfig;
  queueing: QueueingConfig;
  admission: AdmissionConfig;
  tail: TailConfig;
}

/** How an endpoint is chosen: filters, then weighted scorers, then a picker. */
export interface PlacementConfig {
  /** The profile in use: one of those below, or one that comes with Headgate. */
  profile: string;
  profiles: Record<string, ProfileConfig>;
  /** A share of requests that goes by another profile, to compare the two; null without. */
  canary: { profile: string; share: number } | null;
  /** Tokens in a block of `Hints.blocks`, and how many blocks are remembered over all endpoints. */
  prefix: { blockTokens: number; blocksMax: number };
  /**
   * A worker's report older than `trustUs` is doubted. The last place of `sessionsMax` sessions is remembered, each for
   * `sessionTtlUs` after its last request.
   */
  signals: { trustUs: Micros; sessionsMax: number; sessionTtlUs: Micros };
  /** What is hoped for where a request does not say; null without. */
  slo: Slo | null;
  /** Uncached tokens of prompt from which it is read by a `prefill` worker, where there are any. */
  splitTokensMin: number;
}

export interface ProfileConfig {
  filters: PolicyChoice[];
  scorers: (PolicyChoice & { weight: number })[];
  picker: PolicyChoice;
  /** Places what waits together; one by one if absent. */
  batch?: PolicyChoice;
}

/** Who is served next: a band, then a flow of that band, then an item of that flow. */
export interface QueueingConfig {
  /** From the most urgent on. The one named `normal`, or else the first, takes what names none. */
  bands: BandConfig[];
  /** Across bands. */
  bandPolicy: PolicyChoice;
  /** Across the flows of a band. */
  fairness: PolicyChoice;
  /** Within a flow. */
  ordering: PolicyChoice;
  /** Whether packets wait for others to go with; null for not. */
  batching: PolicyChoice | null;
  /** What makes a flow. */
  flowBy: "tenant" | "key" | "hint";
  /** Share of a flow against others; 1 for those not named. */
  weights: Record<string, number>;
  /** Requests of a flow that run at the same time, at most; no cap for those not named. */
  caps: Record<string, number>;
}

export interface BandConfig {
  name: string;
  /** Against other bands, where the band policy goes by weight. */
  weight: number;
  /** Limits on what waits in this band alone; null for those of the whole queue. */
  packetsMax: number | null;
  bytesMax: number | null;
  /** How long a packet of this band may wait; null for `timeouts.queueUs`. */
  ttlUs: Micros | null;
  /** Whether it is the first to be turned away when the fleet is saturated. */
  isSheddable: boolean;
  /** Whether those who wait in it take places of less urgent answers, which go on later. */
  preempts: boolean;
}

/** So many requests a second, and bursts of up to `burst`. */
export interface Rate {
  perSecond: number;
  burst: number;
}

export interface AdmissionConfig {
  /** How full the fleet is, from 0 to 1. */
  saturation: PolicyChoice;
  /** What that means for a request that comes now. */
  shedding: PolicyChoice;
  /** By model; no limit for those not named. */
  rates: Record<string, Rate>;
  /** By tenant, and by `tenant/key`. */
  payerRates: Record<string, Rate>;
}

/** What is done about slow and broken endpoints. */
export interface TailConfig {
  /** A second attempt beside a slow first one; null for none. */
  hedge: {
    /** Of all times to first token of the model so far: a request that waits longer is hedged. */
    percentile: number;
    /** Of all requests, at most. */
    shareMax: number;
    /** So many times have to be known first. */
    samplesMin: number;
  } | null;
  /** Before attempt k a packet waits a random time up to `baseUs` × 2^(k−1), at most `maxUs`. */
  backoff: { baseUs: Micros; maxUs: Micros };
  /** An endpoint is left alone after so many failures in a row, and tried again after a while; null for never. */
  breaker: { failures: number; successes: number; openUs: Micros } | null;
  /** Whether an answer whose worker dies goes on elsewhere from the token it had reached. */
  migration: boolean;
}

export interface ModelConfig {
  /** Ceiling on generated tokens when the client names none. */
  maxTokensDefault: number;
}

export interface RemoteConfig {
  /** Stands where a worker's id stands. */
  name: string;
  models: string[];
  /** Requests in flight at the same time. */
  concurrencyMax: number;
  /** Tokens of prompt and answer together; what a client asks beyond is left to the endpoint to refuse. */
  contextTokens: number;
  /** GPUs behind it that GPU time is counted of, shared by `concurrencyMax` places; absent for none. */
  gpus?: number;
  labels: Readonly<Record<string, string>>;
}
