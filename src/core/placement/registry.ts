import type { PlacementProfile } from "./placement.ts";
import { leastRequest } from "./policies/least-request.ts";
import { sessionsKv } from "./policies/sessions-kv.ts";

/** Every placement policy by the name that `placement.policy` in the configuration selects. */
const PLACEMENT_POLICIES: Readonly<Record<string, () => PlacementProfile>> = {
  "least-request": leastRequest,
  "sessions-kv": sessionsKv,
};

export const PLACEMENT_POLICY_NAMES: readonly string[] = Object.keys(PLACEMENT_POLICIES);

export function placementPolicy(name: string): PlacementProfile {
  const create = Object.hasOwn(PLACEMENT_POLICIES, name) ? PLACEMENT_POLICIES[name] : undefined;
  if (create === undefined) {
    throw new Error(`There is no placement policy "${name}"; choose ${PLACEMENT_POLICY_NAMES.join(" or ")}.`);
  }
  return create();
}
