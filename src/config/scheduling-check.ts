import { parameterProblem, type Signal } from "../core/policy.ts";
import type { ProfileConfig } from "../core/config.ts";
import { type AnyDefinition, POLICY_KINDS, type PolicyKindName, PROFILES } from "./catalogues.ts";
import { unknownName } from "./nearest-name.ts";
import { type Problem, problemsOf } from "./problem.ts";
import { toChoice, toProfile } from "./scheduling.ts";
import { type PolicySetting, schedulingSchema, type SchedulingSettings } from "./scheduling-schema.ts";

/** What there is beside the policies that produces signals for them. */
export interface SignalSources {
  /** Embedded workers, which tell what their caches hold. */
  workers: boolean;
  /** Labels of any worker or remote. */
  labels: boolean;
}

/** Where a policy is named, and as what. */
interface Naming {
  kind: PolicyKindName;
  keys: PropertyKey[];
  setting: PolicySetting;
}

/** The settings with their defaults, or everything that is wrong with them. */
export function readScheduling(
  document: unknown,
  sources: SignalSources,
): { settings: SchedulingSettings } | { problems: Problem[] } {
  const { data, error } = schedulingSchema.safeParse(document);
  if (error !== undefined) return { problems: problemsOf(error.issues) };
  const problems = schedulingProblems(data, sources);
  return problems.length === 0 ? { settings: data } : { problems };
}

/** What one setting cannot know: that names refer to something, and policies get what they go by. */
export function schedulingProblems(settings: SchedulingSettings, sources: SignalSources): Problem[] {
  const named = namings(settings).flatMap((naming) => namingProblems(naming, settings, sources));
  return [...named, ...profileProblems(settings, sources), ...queueProblems(settings)];
}

/** Whether any policy in use goes by this signal. */
export function isNeeded(signal: Signal, { placement, queue, admission }: SchedulingSettings): boolean {
  const inUse = [placement.policy, ...(placement.canary === "off" ? [] : [placement.canary.profile])];
  const profiles = inUse.flatMap((name) => definitionsIn(profileOf(name, placement)));
  const others = sharedNamings(queue, admission).map(({ kind, setting }) =>
    definitionOf(kind, toChoice(setting).name),
  );
  return [...profiles, ...others].some((definition) => definition?.needs.includes(signal) === true);
}

function namings({ placement, queue, admission }: SchedulingSettings): Naming[] {
  const inProfiles = Object.entries(placement.profiles).flatMap(
    ([name, { filters, scorers, picker, batch }]): Naming[] => {
      const keys = ["placement", "profiles", name];
      return [
        ...filters.map((setting, i): Naming => ({ kind: "filter", keys: [...keys, "filters", i], setting })),
        ...scorers.map((scorer, i): Naming => {
          return { kind: "scorer", keys: [...keys, "scorers", i], setting: withoutWeight(scorer) };
        }),
        { kind: "picker", keys: [...keys, "picker"], setting: picker },
        ...optional({ kind: "batch placer", keys: [...keys, "batch"], setting: batch }),
      ];
    },
  );
  return [...inProfiles, ...sharedNamings(queue, admission)];
}

function sharedNamings(
  queue: SchedulingSettings["queue"],
  admission: SchedulingSettings["admission"],
): Naming[] {
  return [
    { kind: "bands", keys: ["queue", "band_policy"], setting: queue.band_policy },
    { kind: "fairness", keys: ["queue", "fairness"], setting: queue.fairness },
    { kind: "ordering", keys: ["queue", "ordering"], setting: queue.ordering },
    ...optional({
      kind: "batching",
      keys: ["queue", "batching"],
      setting: queue.batching === "off" ? undefined : queue.batching,
    }),
    { kind: "saturation", keys: ["admission", "saturation"], setting: admission.saturation },
    { kind: "shedding", keys: ["admission", "shedding"], setting: admission.shedding },
  ];
}

/** None, where no policy is named. */
function optional({
  setting,
  ...naming
}: Omit<Naming, "setting"> & { setting: PolicySetting | undefined }): Naming[] {
  return setting === undefined ? [] : [{ ...naming, setting }];
}

function withoutWeight(
  scorer: SchedulingSettings["placement"]["profiles"][string]["scorers"][number],
): PolicySetting {
  if (typeof scorer === "string") return scorer;
  const { weight: _weight, ...policy } = scorer;
  return policy;
}

function namingProblems(
  { kind, keys, setting }: Naming,
  settings: SchedulingSettings,
  sources: SignalSources,
): Problem[] {
  const { name, parameters } = toChoice(setting);
  const nameKeys = typeof setting === "string" ? keys : [...keys, "name"];
  const definition = definitionOf(kind, name);
  if (definition === undefined) {
    const { words, policies } = POLICY_KINDS[kind];
    return [{ keys: nameKeys, message: unknownName(words, name, Object.keys(policies)) }];
  }
  const problem = parameterProblem(definition, parameters);
  const wrong =
    problem === null ? [] : [{ keys: [...keys, problem.parameter], message: describe(problem, definition) }];
  return [
    ...wrong,
    ...missingSignals(definition, settings, sources).map((message) => ({ keys: nameKeys, message })),
  ];
}

function describe(
  { parameter, message }: { parameter: string; message: string },
  { name, parameters }: AnyDefinition,
): string {
  if (Object.hasOwn(parameters, parameter)) return message;
  const known = Object.keys(parameters);
  return known.length === 0
    ? `${name} has no parameters`
    : unknownName(`parameter of ${name}`, parameter, known);
}

function missingSignals(
  { name, needs }: Pick<AnyDefinition, "name" | "needs">,
  { placement }: SchedulingSettings,
  { workers, labels }: SignalSources,
): string[] {
  const missing: Record<Signal, string | null> = {
    blocks: null,
    latency: null,
    cache_events: workers ? null : "which only embedded workers report: configure some under workers",
    labels: labels ? null : "and no worker or remote has any: give them labels",
    slo: placement.slo === "off" ? "and none is configured: set placement.slo" : null,
  };
  const words: Record<Signal, string> = {
    blocks: "blocks of prompts",
    latency: "latencies",
    cache_events: "what caches hold",
    labels: "labels",
    slo: "an SLO",
  };
  return needs.flatMap((signal) => {
    const why = missing[signal];
    return why === null ? [] : [`${name} goes by ${words[signal]}, ${why}`];
  });
}

function profileProblems(settings: SchedulingSettings, sources: SignalSources): Problem[] {
  const { policy, profiles, canary } = settings.placement;
  const known = [...Object.keys(profiles), ...Object.keys(PROFILES)];
  const taken = Object.keys(profiles)
    .filter((name) => Object.hasOwn(PROFILES, name))
    .map((name): Problem => {
      return {
        keys: ["placement", "profiles", name],
        message: `"${name}" comes with Headgate: choose another name`,
      };
    });
  const used: [PropertyKey[], string][] = [[["placement", "policy"], policy]];
  if (canary !== "off") used.push([["placement", "canary", "profile"], canary.profile]);
  const wrong = used.flatMap(([keys, name]): Problem[] => {
    if (!known.includes(name)) return [{ keys, message: unknownName("profile", name, known) }];
    // Those of the configuration are looked at where they are written.
    if (Object.hasOwn(profiles, name)) return [];
    const definitions = definitionsIn(PROFILES[name]!);
    return definitions.flatMap((definition) =>
      missingSignals(definition, settings, sources).map((message) => ({
        keys,
        message: `${name}: ${message}`,
      })),
    );
  });
  return [...taken, ...wrong];
}

function profileOf(name: string, { profiles }: SchedulingSettings["placement"]): ProfileConfig {
  const own = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  return own === undefined ? PROFILES[name]! : toProfile(own);
}

function definitionsIn({ filters, scorers, picker, batch }: ProfileConfig): AnyDefinition[] {
  return [
    ...filters.map(({ name }) => definitionOf("filter", name)),
    ...scorers.map(({ name }) => definitionOf("scorer", name)),
    definitionOf("picker", picker.name),
    batch && definitionOf("batch placer", batch.name),
  ].filter((definition) => definition !== undefined);
}

function definitionOf(kind: PolicyKindName, name: string): AnyDefinition | undefined {
  const { policies }: { policies: Readonly<Record<string, AnyDefinition>> } = POLICY_KINDS[kind];
  return Object.hasOwn(policies, name) ? policies[name] : undefined;
}

function queueProblems({ queue, tail }: SchedulingSettings): Problem[] {
  const problems: Problem[] = [];
  const bands = queue.bands.map(({ name }) => name);
  for (const [i, band] of bands.entries()) {
    if (bands.indexOf(band) === i) continue;
    problems.push({ keys: ["queue", "bands", i, "name"], message: `"${band}" is used twice` });
  }
  for (const who of ["tenants", "keys"] as const) {
    for (const [flow, { priority }] of Object.entries(queue[who])) {
      if (priority === undefined || bands.includes(priority)) continue;
      const message = unknownName("band", priority, bands);
      problems.push({ keys: ["queue", who, flow, "priority"], message });
    }
  }
  if (tail.backoff.max < tail.backoff.base) {
    problems.push({ keys: ["tail", "backoff", "max"], message: "must not be below tail.backoff.base" });
  }
  return problems;
}
