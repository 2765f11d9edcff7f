import type { PolicyDefinition } from "../policy.ts";

/** How busy the endpoints of one model are, in counters that are kept anyway. */
export interface Load {
  /** Requests that run on it, and that wait for it. */
  running: number;
  waiting: number;
  /** What its endpoints can run at the same time, together. */
  slots: number;
  /** KV cache set aside, and what there is of it, in bytes over the whole fleet. */
  kvBytes: number;
  kvBytesMax: number;
}

/** How full that is. */
export interface Saturation {
  /** From 0, which is idle, to 1. */
  of(load: Load): number;
}

/** What becomes of a request that may be shed. */
export interface Shedding {
  /** The probability with which it is turned away. */
  probability(saturation: number): number;
}

export type SaturationDefinition = PolicyDefinition<"saturation", Saturation>;
export type SheddingDefinition = PolicyDefinition<"shedding", Shedding>;
