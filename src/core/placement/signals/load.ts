import type { Micros } from "../../units.ts";
import { Slowness } from "./slowness.ts";

/**
 * What this supervisor's attempts make a worker do at this moment, over all its models, for they share
 * the machine. Counted from dispatch on, and corrected when the worker says how long a prompt really was.
 */
export interface WorkerLoad {
  /** Prompts still to be read, and since when the first of them has been the first. */
  prefilling: number;
  prefillSinceUs: Micros;
  /** Tokens of those prompts that have to be computed, as far as can be told; 0 for a prompt once it is read. */
  prefillTokens: number;
  /** What attention has to do for them: see `Reading`. */
  prefillSquares: number;
  /** Sequences that generate. */
  decoding: number;
  /** Tokens of prompt and answer so far that all these sequences hold or will hold in the KV cache. */
  contextTokens: number;
  /** Integral of `decoding` over time up to `decodingUs`, in sequences × µs: gives the mean batch of any span. */
  decodingIntegral: number;
  decodingUs: Micros;
}

/** What has been learnt of one endpoint. */
export interface EndpointLoad {
  /** Moving average of the time from dispatch to the end of an answer; null before the first. */
  latencyUs: Micros | null;
  /** Moving average of the tokens of an answer; null before the first. */
  outputTokens: number | null;
  /** How much longer it takes to read prompts and to generate than its model's others. */
  readonly prefillSlowness: Slowness;
  readonly decodeSlowness: Slowness;
  /** Where it stands in the index of what was sent where; −1 for nowhere. */
  sentSlot: number;
  /** Where its worker stands in the index of what caches hold; −1 for nowhere. */
  heldSlot: number;
  /** When the worker's account of its cache was last complete; −Infinity while it is not to be believed. */
  heldUs: Micros;
  /** Counts the times it was forgotten, so that what is known of an earlier life is not held against this one. */
  life: number;
}

export function newWorkerLoad(): WorkerLoad {
  return {
    prefilling: 0,
    prefillSinceUs: 0,
    prefillTokens: 0,
    prefillSquares: 0,
    decoding: 0,
    contextTokens: 0,
    decodingIntegral: 0,
    decodingUs: 0,
  };
}

export function newEndpointLoad(): EndpointLoad {
  return {
    latencyUs: null,
    outputTokens: null,
    prefillSlowness: new Slowness(),
    decodeSlowness: new Slowness(),
    sentSlot: -1,
    heldSlot: -1,
    heldUs: -Infinity,
    life: 0,
  };
}
