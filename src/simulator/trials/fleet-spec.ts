import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import { engineProfile } from "../engine-profiles/index.ts";
import type { WorkerGroup } from "../lab/experiment.ts";
import { readProfile } from "../calibration/profile-file.ts";

const GROUP = /^(?:(\d+)x)?(.+?)(?::(both|prefill|decode))?$/;
const WORKERS_MAX = 10_000;

/**
 * Reads `8xh100-llama-3.1-8b`, or several such groups with commas between them:
 * `<count>x<profile>[:<role>]`, where the profile is one that comes with Headgate or a file that
 * `headgate calibrate` wrote, and the role `prefill`, `decode` or `both`. Throws when it can't be read.
 */
export function parseFleet(text: string): WorkerGroup[] {
  const groups = text.split(",").map((group) => parseGroup(group.trim()));
  const workers = groups.reduce((sum, { count }) => sum + count, 0);
  if (workers > WORKERS_MAX) throw new Error(`--fleet: ${workers} workers are more than ${WORKERS_MAX}.`);
  return groups;
}

function parseGroup(text: string): WorkerGroup {
  const [, count = "1", profile, role] = GROUP.exec(text) ?? [];
  if (profile === undefined || Number(count) === 0) {
    throw new Error(`--fleet: "${text}" is no group of workers: write it as 8xh100-llama-3.1-8b.`);
  }
  return {
    profile: profileOf(profile),
    count: Number(count),
    ...(role === undefined ? {} : { role: role as "both" | "prefill" | "decode" }),
  };
}

function profileOf(name: string): EngineProfile {
  return name.endsWith(".json") ? readProfile(name) : engineProfile(name);
}

/** `8 × h100-llama-3.1-8b`, as reports have it. */
export function fleetText(fleet: readonly WorkerGroup[]): string {
  return fleet
    .map(({ count, profile, role }) => `${count} × ${profile.name}${role === undefined ? "" : ` (${role})`}`)
    .join(" + ");
}
