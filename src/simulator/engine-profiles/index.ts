import { AICONFIGURATOR } from "./aiconfigurator.ts";
import { BLIS } from "./blis.ts";
import { DISTSERVE } from "./distserve.ts";
import type { EngineProfile } from "./engine-profile.ts";
import { SPLITWISE } from "./splitwise.ts";
import { VARIANT_AUTOSCALER } from "./variant-autoscaler.ts";
import { A10G_LLAMA_7B } from "./vtc-artifact.ts";

/** Those that come with Headgate, by name. */
export const ENGINE_PROFILES: Readonly<Record<string, EngineProfile>> = Object.fromEntries(
  [A10G_LLAMA_7B, ...AICONFIGURATOR, ...SPLITWISE, ...DISTSERVE, ...BLIS, ...VARIANT_AUTOSCALER].map(
    (profile) => {
      return [profile.name, profile];
    },
  ),
);

/** The profile of that name. Throws with the names that are most like it where there is none. */
export function engineProfile(name: string): EngineProfile {
  if (Object.hasOwn(ENGINE_PROFILES, name)) return ENGINE_PROFILES[name]!;
  const names = Object.keys(ENGINE_PROFILES).sort();
  const parts = name.split("-");
  const alike = names.filter((known) =>
    parts.some((part) => part.length > 1 && known.split("-").includes(part)),
  );
  throw new Error(
    `There is no engine profile "${name}": try ${(alike.length > 0 ? alike : names).join(", ")}.`,
  );
}
