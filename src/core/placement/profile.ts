import type { PlacementConfig, ProfileConfig } from "../config.ts";
import { type Catalogue, catalogueOf, createPolicy } from "../policy.ts";
import type { BatchPlacer, Filter, Picker, ProfileDefinition, Scorer } from "./contracts.ts";
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

/** Makes the named profile: one of the configuration's own, or else one that comes with Headgate. Throws on a name that the configuration should have refused. */
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

function profileNamed(name: string, { profiles }: Pick<PlacementConfig, "profiles">): ProfileConfig | null {
  if (Object.hasOwn(profiles, name)) return profiles[name]!;
  return Object.hasOwn(PROFILES, name) ? PROFILES[name]! : null;
}
