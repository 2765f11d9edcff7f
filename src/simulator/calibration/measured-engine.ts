import type { EngineProfile } from "../engine-profiles/engine-profile.ts";

export type MixedBatching = Extract<EngineProfile["batching"], { kind: "mixed" }>;

/** A live engine that can be measured, whatever it speaks. */
export interface MeasuredEngine {
  /** What it says of itself. */
  readonly facts: EngineFacts;
  /**
   * Has a prompt answered that nothing is cached of, and says when what came. Rejects when the
   * engine refuses or fails, and when the signal aborts.
   */
  generate(request: MeasuredRequest): Promise<Timing>;
}

export interface MeasuredRequest {
  prompt: string;
  outputTokens: number;
  signal: AbortSignal;
}

/** What is known of an engine without measuring; null where it does not say. */
export interface EngineFacts {
  /** In words: what was measured. */
  description: string;
  contextTokens: number | null;
  sequencesMax: number | null;
  kvTokens: number | null;
  blockTokens: number | null;
  bytesPerKvToken: number | null;
  /** How it batches; null when that is not known. */
  batching: MixedBatching | null;
}

/** Milliseconds on one clock. */
export interface Timing {
  sentMs: number;
  /** When each part of the answer came; usually a token. */
  arrivedMs: number[];
  /** When all of it had come. */
  endedMs: number;
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
}
