import type { PlacementConfig, ProfileConfig } from "../config.ts";
import {
  type Catalogue,
  catalogueOf,
  createPolicy,
  parameterProblem,
  type PolicyChoice,
  type Signal,
} from "../policy.ts";
import type {
  BatchPlacer,
  BatchPlacerDefinition,
  Filter,
  FilterDefinition,
  Picker,
  PickerDefinition,
  ProfileDefinition,
  Scorer,
  ScorerDefinition,
} from "./contracts.ts";
import * as batchPlacers from "./policies/batch-placers/index.ts";
import * as filters from "./policies/filters/index.ts";
import * as pickers from "./policies/pickers/index.ts";
import * as scorers from "./policies/scorers/index.ts";
import * as builtIn from "./profiles/index.ts";
import { Scratch } from "./scratch.ts";

export const FILTERS = catalogueOf(Object.values(filters));
export const SCORERS = catalogueOf(Object.values(scorers));
export const PICKERS = catalogueOf(Object.values(pickers));
export const BATCH_PLACERS = catalogueOf(Object.values(batchPlacers));
export const PROFILES: Catalogue<ProfileDefinition> = catalogueOf(Object.values(builtIn));

type AnyDefinition = FilterDefinition | ScorerDefinition | PickerDefinition | BatchPlacerDefinition;

const SIGNAL_NAMES: Readonly<Record<Signal, string>> = {
  blocks: "prompts in blocks",
  cache_events: "reports of what KV caches hold",
  latency: "observed latencies",
  labels: "labels of workers",
  slo: "hopes for latency (slo)",
};

/** The profiles that come with Headgate. */
export const PLACEMENT_PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** A profile at work: its policies made, with room to add up their scores. */
export interface PlacementProfile {
  readonly name: string;
  readonly filters: readonly { readonly name: string; readonly filter: Filter }[];
  readonly scorers: readonly { readonly name: string; readonly scorer: Scorer; readonly weight: number }[];
  readonly picker: Picker;
  /** Null where packets are placed one by one. */
  readonly batchPlacer: BatchPlacer | null;
  readonly scratch: Scratch;
}

/** Makes the named profile: one of the configuration's own, or else one that comes with Headgate. Throws on what `profileProblem` finds. */
export function createProfile(name: string, config: Pick<PlacementConfig, "profiles">): PlacementProfile {
  const chosen = profileNamed(name, config);
  if (chosen === null) throw new Error(`There is no placement profile "${name}".`);
  return {
    name,
    filters: chosen.filters.map((choice) => ({
      name: choice.name,
      filter: createPolicy<Filter>(FILTERS, choice),
    })),
    scorers: chosen.scorers.map(({ weight, ...choice }) => ({
      name: choice.name,
      scorer: createPolicy<Scorer>(SCORERS, choice),
      weight,
    })),
    picker: createPolicy<Picker>(PICKERS, chosen.picker),
    batchPlacer: chosen.batch === undefined ? null : createPolicy<BatchPlacer>(BATCH_PLACERS, chosen.batch),
    scratch: new Scratch(),
  };
}

/** What the profile goes by that is not always there, such as prompts in blocks, which cost something to make. */
export function profileNeeds(name: string, config: Pick<PlacementConfig, "profiles">): ReadonlySet<Signal> {
  const profile = profileNamed(name, config);
  if (profile === null) return new Set();
  const definitions = [
    ...profile.filters.map((choice) => FILTERS[choice.name]),
    ...profile.scorers.map((choice) => SCORERS[choice.name]),
    PICKERS[profile.picker.name],
  ];
  return new Set(definitions.flatMap((definition) => definition?.needs ?? []));
}

function profileNamed(name: string, { profiles }: Pick<PlacementConfig, "profiles">): ProfileConfig | null {
  if (Object.hasOwn(profiles, name)) return profiles[name]!;
  return Object.hasOwn(PROFILES, name) ? PROFILES[name]! : null;
}

/** What keeps a placement configuration from working, and where in it. */
export interface ProfileProblem {
  /** From the placement section on, such as `profiles`, `mine`, `scorers`, 0, `name`. */
  path: readonly (string | number)[];
  message: string;
}

/**
 * The first thing that is wrong with the profiles of a configuration: a name that does not exist, a parameter out of
 * its range, a signal that nothing produces (those in `signals` are there). Null when all is well.
 */
export function profileProblem(
  config: Pick<PlacementConfig, "profile" | "profiles" | "canary">,
  signals: ReadonlySet<Signal>,
): ProfileProblem | null {
  for (const [name, profile] of Object.entries(config.profiles)) {
    const problem = problemOf(profile, signals);
    if (problem !== null) return { ...problem, path: ["profiles", name, ...problem.path] };
  }
  return (
    inUse(["profile"], config.profile) ??
    (config.canary && inUse(["canary", "profile"], config.canary.profile))
  );

  function inUse(path: string[], name: string): ProfileProblem | null {
    const profile = profileNamed(name, config);
    if (profile === null) {
      const names = [...Object.keys(config.profiles), ...PLACEMENT_PROFILE_NAMES];
      return { path, message: `There is no placement profile "${name}"; choose from ${names.join(", ")}.` };
    }
    const problem = problemOf(profile, signals);
    return problem === null ? null : { path, message: `Profile "${name}": ${problem.message}` };
  }
}

/** Of one profile; the path starts at it. */
function problemOf(profile: ProfileConfig, signals: ReadonlySet<Signal>): ProfileProblem | null {
  const parts = [
    ...profile.filters.map((choice, i) => ({
      kind: "filter",
      choice,
      path: ["filters", i],
      catalogue: FILTERS,
    })),
    ...profile.scorers.map((choice, i) => ({
      kind: "scorer",
      choice,
      path: ["scorers", i],
      catalogue: SCORERS,
    })),
    { kind: "picker", choice: profile.picker, path: ["picker"], catalogue: PICKERS },
    ...(profile.batch === undefined
      ? []
      : [{ kind: "batch placer", choice: profile.batch, path: ["batch"], catalogue: BATCH_PLACERS }]),
  ];
  for (const { path, ...part } of parts) {
    const problem = choiceProblem(part, signals);
    if (problem !== null) return { message: problem.message, path: [...path, ...problem.path] };
  }
  for (const [i, { name, weight }] of profile.scorers.entries()) {
    if (weight >= 0 && weight < Infinity) continue;
    return { path: ["scorers", i, "weight"], message: `The weight of "${name}" must be 0 or more.` };
  }
  return null;
}

function choiceProblem(
  { kind, choice, catalogue }: { kind: string; choice: PolicyChoice; catalogue: Catalogue<AnyDefinition> },
  signals: ReadonlySet<Signal>,
): ProfileProblem | null {
  const { name, parameters } = choice;
  const definition = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (definition === undefined) {
    const names = Object.keys(catalogue).join(", ");
    return { path: ["name"], message: `There is no ${kind} "${name}"; choose from ${names}.` };
  }
  const problem = parameterProblem(definition, parameters);
  if (problem !== null) {
    const { parameter, message } = problem;
    return { path: ["parameters", parameter], message: `${kind} "${name}": ${parameter} ${message}.` };
  }
  const missing = definition.needs.find((signal) => !signals.has(signal));
  if (missing === undefined) return null;
  return {
    path: ["name"],
    message: `${kind} "${name}" goes by ${SIGNAL_NAMES[missing]}, which nothing here produces.`,
  };
}
