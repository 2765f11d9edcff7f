/** Nouns shared by events, effects and stages. */

/** What an endpoint counted for one attempt. `cached` is the part of `prompt` it did not have to compute. */
export interface TokenUsage {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** The part of `completion` that was thought and not said; none if absent. */
  reasoningTokens?: number;
  /** It says that it has done the work in a tier that costs what its batch API does. */
  isBatch?: boolean;
}

/** What is asked of latency: time to the first token, and for each further one. */
export interface Slo {
  ttftUs: number;
  tpotUs: number;
}

/** A model as one worker serves it: together with the worker's name it is an endpoint. */
export interface ServedModel {
  /** The variant's name. */
  model: string;
  /** Tokens of prompt and answer together that one sequence can hold. */
  contextTokens: number;
  /** Generations it runs at the same time; what comes beyond is refused, not queued. */
  slots: number;
  /** GPUs that all slots share, down to a thousandth; absent where no GPU time is counted. */
  gpus?: number;
  /** KV cache for one token of one sequence: see `fleet/kv.ts` for the formula. */
  kvBytesPerToken: number;
  /** Workers with the same one can go on with each other's answers; null when not told. */
  modelHash?: string | null;
  /** Workers with the same one can load each other's KV state; null when not told. */
  stateFingerprint?: string | null;
}

/** That one model runs on, on one worker or behind one remote. */
export const GPUS_MAX = 1_000;

/**
 * - `headgate`: token counts in every event, and credit: it stops where its holds end;
 * - `prefill_decode`: prefill and decode of one session, one token an event. It serves whatever model
 *   is asked of it, and cannot be stopped at a token, so the worst case is held in full.
 */
export type WorkerDialect = "headgate" | "prefill_decode";

/** `prefill` workers read prompts and hand the KV state over to `decode` workers; `both` do all of it themselves. */
export const WORKER_ROLES = ["both", "prefill", "decode"] as const;
export type WorkerRole = (typeof WORKER_ROLES)[number];

/** What a worker that does not say which models it serves is listed under. */
export const ANY_MODEL = "*";

/** What a worker takes on at most, over all its models. */
export interface WorkerLimits {
  sessionsMax: number;
  sessionKvBytesMax: number;
  kvBytesMax: number;
}

/** Why an attempt failed, as far as it matters for what to do next. */
export type FailureReason =
  /** No connection, or it broke before the endpoint accepted the attempt. */
  | "unreachable"
  /** The endpoint is full or draining. */
  | "at_capacity"
  /** The endpoint answered with a server error, or not in its protocol. */
  | "endpoint_error"
  /** The connection broke, or the stream ended without saying so, after tokens had come. */
  | "stream_broken"
  /** The endpoint read the request and will refuse it again: the client has to change it. */
  | "request_rejected"
  /** Prompt and answer do not fit into the endpoint's context. */
  | "context_length_exceeded"
  /** No first token in time. */
  | "prefill_timeout"
  /** Tokens stopped coming. */
  | "stalled"
  /** The worker stopped sending heartbeats, or left. */
  | "worker_lost";
