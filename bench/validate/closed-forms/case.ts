import type { Outcome } from "../stations/outcome.ts";
import type { StationRun } from "../stations/run.ts";

/** One system that is simulated, with some figures that are known of it. */
export interface Case {
  what: string;
  /** What it goes through, and anything else that has to be known to read it. */
  note: string;
  checks: readonly Check[];
  /** All requests of one seed, over its runs, in the full size. */
  requests: number;
  /** What has to be run for a seed; several where the figures need parts that are put together. */
  runs(seed: number, requests: number): StationRun[];
  /** Puts the outcomes of a seed's runs together; the first is all there is if absent. */
  combine?(outcomes: readonly Outcome[]): Outcome;
}

export interface Check {
  /** As the station calls it. */
  figure: string;
  /** As the report does. */
  what: string;
  expected: number;
  /** An upper bound is met or not, in each of the seeds; the rest has to lie in the interval. */
  isBound?: boolean;
  /** Where what is expected is itself a little off: the share of it that the middle of the interval may be away. */
  tolerance?: number;
}
