import type { PolicyDefinition } from "../policy.ts";
import type { Micros } from "../units.ts";

/** What waits to be put into a batch. */
export interface Batchable {
  readonly tokens: number;
  /** Since when it waits. */
  readonly sinceUs: Micros;
  /** When its result is of no use any more; Infinity for never. */
  readonly dueUs: Micros;
}

/** What to do with what waits, from the front. */
export interface BatchPlan {
  /** So many come too late whatever is done: they are to be refused. */
  late: number;
  /** The next so many are a batch. */
  take: number;
  /** Where that is none: when to ask again, unless something comes before; Infinity for not until then. */
  againUs: Micros;
}

/** How a batch went. */
export interface BatchObserved {
  size: number;
  /** How long its first one had waited. */
  waitUs: Micros;
  durationUs: Micros;
}

/** Decides when to stop waiting for more, for an engine that takes one batch after the other. */
export interface Batcher {
  /** Asked while the engine is free and something waits, which is given in the order in which it is to be served. */
  next(waiting: readonly Batchable[], nowUs: Micros): BatchPlan;
  /** A batch of its is complete. */
  observed?(batch: BatchObserved): void;
}

export type BatchingDefinition = PolicyDefinition<"batching", Batcher>;

/** Go on at once with so many. */
export function take(count: number, late = 0): BatchPlan {
  return { late, take: count, againUs: Infinity };
}

/** Wait for more. */
export function wait(againUs: Micros, late = 0): BatchPlan {
  return { late, take: 0, againUs };
}
