import type { Random } from "../../../core/random.ts";
import type { Micros } from "../../../core/units.ts";

/** One request as a trace has it. */
export interface TraceRecord {
  /** On the trace's own clock. */
  atUs: Micros;
  tenant: string;
  promptTokens: number;
  outputTokens: number;
  /** Empty where the trace says nothing of what prompts share. */
  blocks: readonly number[];
}

export interface TraceReading {
  /** For what the trace leaves to chance: laws of arrivals instead of arrivals. */
  random: Random;
  /** The column of a comma-separated file that names the tenant; null for the one that the format has, if any. */
  tenantColumn: string | null;
  /** Nothing from then on is of interest, counted from the trace's first request, or from its beginning if it has one. */
  untilUs: Micros;
}

/** Reads one format of traces. */
export interface TraceReader {
  readonly format: string;
  /** Where the format's data are from. */
  readonly source: string;
  readonly blockTokens: number;
  /** Records in the order of their arrival. Throws WorkloadProblem at the line that is wrong. */
  read(path: string, reading: TraceReading): AsyncIterable<TraceRecord>;
}

/** Where a trace knows no blocks: what the simulated fleet shall use. */
export const USUAL_BLOCK_TOKENS = 64;
