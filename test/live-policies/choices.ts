import { POLICY_KINDS, type PolicyKindName, PROFILES } from "../../src/config/catalogues.ts";
import type { ProfileConfig } from "../../src/core/config.ts";
import type { Parameters, Signal } from "../../src/core/policy.ts";
import type { Patch } from "./stage.ts";

/** Everything that has a catalogue. */
export type KindName = PolicyKindName | "profile";

export const KINDS = ["profile", ...(Object.keys(POLICY_KINDS) as PolicyKindName[])] as const;

/** The names of everything there is of a kind. */
export function namesOf(kind: KindName): string[] {
  return Object.keys(kind === "profile" ? PROFILES : POLICY_KINDS[kind].policies);
}

/** The settings that put the policy in force; one that is a part of a profile in one that is made for it. */
export function choiceOf(kind: KindName, name: string, parameters: Parameters = {}): Patch {
  const policy = { name, ...parameters };
  switch (kind) {
    case "profile":
      return { placement: { policy: name } };
    case "filter":
      return tried({ filters: [policy] });
    case "scorer":
      return tried({ scorers: [{ ...policy, weight: 1 }] });
    case "picker":
      return tried({ picker: policy });
    case "batch placer":
      return tried({ batch: policy });
    case "bands":
      return { queue: { band_policy: policy } };
    case "fairness":
    case "ordering":
    case "batching":
      return { queue: { [kind]: policy } };
    case "saturation":
    case "shedding":
      return { admission: { [kind]: policy } };
  }
}

/** What goes by nothing else than the fewest requests, but for what is given. */
function tried(parts: object): Patch {
  const usual = {
    filters: [],
    scorers: [{ name: "least-request", weight: 1 }],
    picker: { name: "max-score" },
  };
  return { placement: { policy: "tried", profiles: { tried: { ...usual, ...parts } } } };
}

/** What the policy goes by, or all that a profile is made of do. */
export function needsOf(kind: KindName, name: string): Signal[] {
  if (kind !== "profile") return [...POLICY_KINDS[kind].policies[name]!.needs];
  const { filters, scorers, picker, batch }: ProfileConfig = PROFILES[name]!;
  return [
    ...filters.flatMap((part) => needsOf("filter", part.name)),
    ...scorers.flatMap((part) => needsOf("scorer", part.name)),
    ...needsOf("picker", picker.name),
    ...(batch === undefined ? [] : needsOf("batch placer", batch.name)),
  ];
}

/** Both patches together; neither names a setting of the other. */
export function both(one: Patch, other: Patch): Patch {
  const sections = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries(
    [...sections].map((section) => [section, { ...one[section], ...other[section] }]),
  );
}
