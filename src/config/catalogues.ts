import { SATURATION, SHEDDING } from "../core/admission/catalogues.ts";
import { BATCHING } from "../core/batching/catalogue.ts";
import { BATCH_PLACERS, FILTERS, PICKERS, PROFILES, SCORERS } from "../core/placement/profile.ts";
import { BANDS, FAIRNESS, ORDERING } from "../core/queueing/catalogues.ts";
import type { Catalogue, PolicyDefinition } from "../core/policy.ts";

/** As far as configuration and docs care: whatever it decides. */
export type AnyDefinition = PolicyDefinition<string, unknown>;

/** A kind of policy: what it is called, and what selects one. */
export interface PolicyKind {
  /** In words, as in `there is no scorer "x"`. */
  words: string;
  heading: string;
  /** What all of them do, and who asks them. */
  summary: string;
  /** How one is selected in the configuration. */
  setting: string;
  policies: Catalogue<AnyDefinition>;
}

/** Every kind of policy, in the order in which a request meets them. */
export const POLICY_KINDS = {
  saturation: {
    words: "saturation policy",
    heading: "Saturation",
    summary: "How full the fleet is, from 0 to 1.",
    setting: "admission.saturation",
    policies: SATURATION,
  },
  shedding: {
    words: "shedding policy",
    heading: "Shedding",
    summary: "Whether a request is turned away, given how full the fleet is.",
    setting: "admission.shedding",
    policies: SHEDDING,
  },
  bands: {
    words: "band policy",
    heading: "Bands",
    summary: "Which band of priority is served next.",
    setting: "queue.band_policy",
    policies: BANDS,
  },
  fairness: {
    words: "fairness policy",
    heading: "Fairness",
    summary: "Which flow of the band is served next: a flow is a tenant, a key, or what a header names.",
    setting: "queue.fairness",
    policies: FAIRNESS,
  },
  ordering: {
    words: "ordering policy",
    heading: "Ordering",
    summary: "Which packet of the flow is served next.",
    setting: "queue.ordering",
    policies: ORDERING,
  },
  batching: {
    words: "batching policy",
    heading: "Batching",
    summary: "Whether packets of a model wait for others, to be sent together.",
    setting: "queue.batching",
    policies: BATCHING,
  },
  filter: {
    words: "filter",
    heading: "Filters",
    summary: "Which endpoints may take a packet at all, beside those without room.",
    setting: "placement.profiles.<name>.filters",
    policies: FILTERS,
  },
  scorer: {
    words: "scorer",
    heading: "Scorers",
    summary: "How attractive endpoints are to a packet, each from 0 to 1; a profile adds them up by weight.",
    setting: "placement.profiles.<name>.scorers",
    policies: SCORERS,
  },
  picker: {
    words: "picker",
    heading: "Pickers",
    summary: "Who of those that are left takes the packet, given the sums.",
    setting: "placement.profiles.<name>.picker",
    policies: PICKERS,
  },
  "batch placer": {
    words: "batch placer",
    heading: "Batch placers",
    summary: "Where packets go that are placed together, instead of one by one by scorers and picker.",
    setting: "placement.profiles.<name>.batch",
    policies: BATCH_PLACERS,
  },
} as const satisfies Record<string, PolicyKind>;

export type PolicyKindName = keyof typeof POLICY_KINDS;

/** The profiles that come with Headgate. */
export { PROFILES };
