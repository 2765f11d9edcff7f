import type { Endpoint } from "../../../fleet/endpoint.ts";
import { MICROS_PER_MILLI } from "../../../units.ts";
import type { FilterDefinition } from "../../contracts.ts";

/** A request that comes without blocks is at home where its session is. */
export const stickyUntilSaturated: FilterDefinition = {
  kind: "filter",
  name: "sticky-until-saturated",
  summary:
    "Keeps endpoints that hold most of the prompt, until even the best of them would be later with the first token than the best other by more than a bound; all where none or every one holds it.",
  formula:
    "{affinity ≥ share} while min TTFT of these ≤ min TTFT of the others + bound, else all. Affinity: share of the prompt's blocks that is cached, or 1 for the holder of the session",
  source: "llm-d inference scheduler, prefix-cache-affinity filter with TTFT gate",
  needs: ["blocks", "latency"],
  parameters: {
    share: { summary: "Affinity that makes an endpoint sticky", unit: "", default: 0.8, min: 0, max: 1 },
    bound: {
      summary: "How much later the first token may be for it",
      unit: "ms",
      default: 5_000,
      min: 0,
      max: 1e9,
    },
  },
  create: (parameters) => {
    const share = Number(parameters["share"]);
    const boundUs = Number(parameters["bound"]) * MICROS_PER_MILLI;
    return {
      filter(candidates, packet, { signals, nowUs }) {
        const hasBlocks = packet.request.arrival.hints.blocks.length > 0;
        const holder = hasBlocks ? null : signals.holder(packet, nowUs);
        const sticky: Endpoint[] = [];
        let stickyUs = Infinity;
        let othersUs = Infinity;
        for (let i = 0; i < candidates.length; i++) {
          const candidate = candidates[i]!;
          const affinity = hasBlocks
            ? signals.heldShare(candidate, packet, nowUs)
            : Number(candidate === holder);
          const ttftUs = signals.ttftUs(candidate, packet, nowUs);
          if (affinity >= share) {
            sticky.push(candidate);
            stickyUs = Math.min(stickyUs, ttftUs);
          } else {
            othersUs = Math.min(othersUs, ttftUs);
          }
        }
        return sticky.length > 0 && stickyUs <= othersUs + boundUs ? sticky : candidates;
      },
    };
  },
};
