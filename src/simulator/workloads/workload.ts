import type { Micros } from "../../core/units.ts";

/** One request of a workload: what a client sends, and what only the engine knows of it. */
export interface WorkloadRequest {
  /** Since the beginning of the workload. */
  atUs: Micros;
  tenant: string;
  /** The model it names; null for the one that the fleet serves. */
  model: string | null;
  promptTokens: number;
  /** The true length of the answer: the engine's business alone, no policy sees it. */
  outputTokens: number;
  /** The ceiling that the client names. */
  maxTokens: number | null;
  /**
   * The prompt's blocks of `Workload.blockTokens` tokens: each number stands for the block and all
   * before it, so that two prompts with the same number have the same beginning.
   */
  blocks: readonly number[];
  session: string | null;
  /** Name of its band; null for the usual one. */
  priority: string | null;
  /** What the client hopes for; null where it does not say. */
  slo: { ttftUs: Micros; tpotUs: Micros } | null;
  /** How long it would rather wait for its budget than be refused; not at all if absent. */
  budgetWaitUs?: Micros;
}

/** Requests in the order of their arrival, from a trace or from a seed. */
export interface Workload {
  /** As reports name it. */
  name: string;
  /** Where the figures come from: a paper, a data set, "synthetic". */
  source: string;
  blockTokens: number;
  requests: readonly WorkloadRequest[];
  /**
   * For clients that wait for an answer before they ask again, as agents in a loop do: what `request`
   * is followed by; `atUs` counts from the beginning of the workload too, and is not before `endUs`.
   */
  follow?(request: WorkloadRequest, endUs: Micros): WorkloadRequest | null;
}
