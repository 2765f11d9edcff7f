import type { Endpoint } from "../../../fleet/endpoint.ts";
import type { Packet } from "../../../request.ts";
import type { PickerDefinition, PlacementContext } from "../../contracts.ts";

export const cacheAware: PickerDefinition = {
  kind: "picker",
  name: "cache-aware",
  summary:
    "Stays with the endpoint that was sent the prompt's beginning, unless load has drifted apart, whatever the scores. Load is sequences in flight.",
  formula:
    "least load if max − min > absolute and max > relative · min; else the longest match if its share of blocks > match; else least load. Equal matches: least load",
  source: "SGLang router, cache-aware policy",
  needs: ["blocks"],
  parameters: {
    absolute: {
      summary: "Difference of load that is still balanced",
      unit: "sequences",
      default: 32,
      min: 0,
      max: 1e6,
    },
    relative: { summary: "Ratio of loads that is still balanced", unit: "", default: 1.1, min: 1, max: 1e6 },
    match: {
      summary: "Share of the prompt's blocks that makes a holder",
      unit: "",
      default: 0.5,
      min: 0,
      max: 1,
    },
  },
  create: (parameters) => {
    const absolute = Number(parameters["absolute"]);
    const relative = Number(parameters["relative"]);
    const match = Number(parameters["match"]);
    return {
      pick(candidates, packet, _totals, context) {
        const { leastLoaded, min, max } = loadsOf(candidates, context);
        if (max - min > absolute && max > relative * min) return leastLoaded;
        const holder = holderOf(candidates, packet, context);
        return holder.share > match ? holder.index : leastLoaded;
      },
    };
  },
};

/** Of equal loads the one that was picked longest ago. */
function loadsOf(
  candidates: readonly Endpoint[],
  { signals, nowUs }: PlacementContext,
): { leastLoaded: number; min: number; max: number } {
  let leastLoaded = 0;
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < candidates.length; i++) {
    const load = signals.sessions(candidates[i]!.worker, nowUs);
    if (load < min || (load === min && candidates[i]!.pickedAt < candidates[leastLoaded]!.pickedAt))
      leastLoaded = i;
    min = Math.min(min, load);
    max = Math.max(max, load);
  }
  return { leastLoaded, min, max };
}

function holderOf(
  candidates: readonly Endpoint[],
  packet: Packet,
  { signals, nowUs }: PlacementContext,
): { index: number; share: number } {
  let index = 0;
  let share = -1;
  let load = Infinity;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const itsShare = signals.sentShare(candidate, packet);
    if (itsShare < share) continue;
    const itsLoad = signals.sessions(candidate.worker, nowUs);
    if (itsShare === share && itsLoad >= load) continue;
    index = i;
    share = itsShare;
    load = itsLoad;
  }
  return { index, share };
}
