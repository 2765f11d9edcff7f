import type { Price } from "./budget/money.ts";
import type { Micros } from "./units.ts";

/** What the core needs to know before the first event; plain data, so a recording can carry it. */
export interface CoreConfig {
  /** Every model a client may name, by name; workers may serve more, which are found by their heartbeats. */
  models: Record<string, ModelConfig>;
  /** Other names for models, such as `default`. */
  aliases: Record<string, string>;
  /** Endpoints outside Headgate, which send no heartbeats. */
  remotes: RemoteConfig[];
  placement: { policy: string };
  /** By the model's name as clients use it, after aliases. */
  prices: Record<string, Price>;
  /** Of models without one; null when those are refused. */
  defaultPrice: Price | null;
  /** Output tokens of each choice that are held at a time, where the endpoint can be stopped in between. */
  packetTokens: number;
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
}
