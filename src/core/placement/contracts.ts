import type { Endpoint } from "../fleet/endpoint.ts";
import type { ProfileConfig } from "../config.ts";
import type { PolicyDefinition } from "../policy.ts";
import type { Random } from "../random.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Slo } from "../vocabulary.ts";
import type { Signals } from "./signals/signals.ts";

/**
 * What policies go by besides the endpoints and the packet. Whatever is learnt lives in `signals`, not in
 * policies, so a policy that takes over at run time knows what its predecessor knew.
 */
export interface PlacementContext {
  readonly nowUs: Micros;
  readonly random: Random;
  readonly signals: Signals;
  /** What is hoped for: the packet's own, else the configured one; null without either. */
  readonly slo: Slo | null;
}

/** Which endpoints may take the packet at all. One that would leave none may keep all, where it is a matter of taste. */
export interface Filter {
  /** Returns those to keep, in the same order; `candidates` itself where all stay. */
  filter(candidates: readonly Endpoint[], packet: Packet, context: PlacementContext): readonly Endpoint[];
}

/** How attractive endpoints are to a packet: one score for each candidate, in [0, 1], the more the better. */
export interface Scorer {
  score(
    candidates: readonly Endpoint[],
    packet: Packet,
    scores: Float64Array,
    context: PlacementContext,
  ): void;
}

/** Chooses one by the weighted sums of scores. */
export interface Picker {
  /** Returns the index of the one chosen; `candidates` has at least one. */
  pick(
    candidates: readonly Endpoint[],
    packet: Packet,
    totals: Float64Array,
    context: PlacementContext,
  ): number;
}

/** What batch placers go by besides. */
export interface BatchContext extends PlacementContext {
  /** Whether the endpoint has room for the packet by itself, and the profile's filters let it through. */
  mayTake(endpoint: Endpoint, packet: Packet): boolean;
}

/** Places many packets at once, before any of them is dispatched. */
export interface BatchPlacer {
  /** Returns for each packet the index of its endpoint, −1 for one that has to wait. Together they fit. */
  assign(packets: readonly Packet[], endpoints: readonly Endpoint[], context: BatchContext): Int32Array;
}

export type FilterDefinition = PolicyDefinition<"filter", Filter>;
export type ScorerDefinition = PolicyDefinition<"scorer", Scorer>;
export type PickerDefinition = PolicyDefinition<"picker", Picker>;
export type BatchPlacerDefinition = PolicyDefinition<"batch-placer", BatchPlacer>;

/** A profile that comes with Headgate: which policies it is made of, and why. */
export interface ProfileDefinition extends ProfileConfig {
  readonly kind: "profile";
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly source: string;
}
