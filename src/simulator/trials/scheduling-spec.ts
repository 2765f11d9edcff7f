import type { Scheduling } from "../../core/config.ts";
import { loadConfig } from "../../config/load.ts";
import { toScheduling } from "../../config/scheduling.ts";
import { readScheduling } from "../../config/scheduling-check.ts";
import { patched } from "../../config/scheduling-patch.ts";
import { SECTIONS } from "../../config/scheduling-schema.ts";
import { parsePolicyValue, type PolicyPart, type PolicySettings } from "./policy-spec.ts";

/** Where each part of a policy stands in the configuration; null for the file itself. */
const PLACES: Readonly<Record<PolicyPart, readonly [section: string, setting: string] | null>> = {
  config: null,
  placement: ["placement", "policy"],
  fairness: ["queue", "fairness"],
  ordering: ["queue", "ordering"],
  bands: ["queue", "band_policy"],
  saturation: ["admission", "saturation"],
  shedding: ["admission", "shedding"],
  batching: ["queue", "batching"],
};

/**
 * The scheduling of a configuration file, or of an empty one, with the named policies put in its place.
 * Throws `ConfigError` for a file that can't be used, and an error that names the policy or parameter that there is not.
 */
export function schedulingFrom(settings: PolicySettings): Scheduling {
  const base = settings.config === undefined ? {} : sectionsOf(settings.config);
  let document: unknown = base;
  for (const [part, place] of Object.entries(PLACES)) {
    const text = settings[part as PolicyPart];
    if (text === undefined || place === null) continue;
    const [section, setting] = place;
    // A profile is chosen by its name alone.
    const value = setting === "policy" ? text : parsePolicyValue(text);
    document = patched(document, { [section]: { [setting]: value } });
  }
  // Simulated workers tell what their caches hold, and have the labels that a fleet gives them.
  const read = readScheduling(document, { workers: true, labels: true });
  if ("settings" in read) return toScheduling(read.settings);
  throw new Error(read.problems.map(({ keys, message }) => `${keys.join(".")}: ${message}`).join("\n"));
}

function sectionsOf(path: string): Record<string, unknown> {
  const { config } = loadConfig(path);
  return Object.fromEntries(SECTIONS.map((section) => [section, config[section]]));
}
