import type { ScorerDefinition } from "../../contracts.ts";
import { inProportion } from "../normalise.ts";

/** What keeps the hope scores from 0.5 to 1, what does not from 0 to 0.5. */
const MIDDLE = 0.5;

export const predictedLatency: ScorerDefinition = {
  kind: "scorer",
  name: "predicted-latency",
  summary:
    "Goes by the latencies that an endpoint is expected to have with the packet, against those hoped for: the tightest that still fits, or else the one that misses by least. Without a hope, the shortest time to the first token.",
  formula:
    "h = ttft · (1 − TTFT ÷ hope) + (1 − ttft) · (1 − TPOT ÷ hope). Both kept: ½ + ½ · (1 − h), or ½ + ½ · h with fit = most. " +
    "Else ½ ÷ (1 + d), d = the same sum of what is missed. TTFT = a + b · tokens + c · squares to read, in flight and own, without what is cached; TPOT = d + e · sequences; fitted to what was observed",
  source: "llm-d inference scheduler, latency predictor (headroom, best fit)",
  needs: ["blocks", "latency", "slo"],
  parameters: {
    ttft: {
      summary: "Weight of the first token's time; the rest is that of further ones",
      unit: "",
      default: 0.8,
      min: 0,
      max: 1,
    },
    fit: {
      summary: "Whether the least or the most headroom wins, of what fits",
      unit: "",
      default: "least",
      choices: ["least", "most"],
    },
  },
  create: (parameters) => {
    const weight = Number(parameters["ttft"]);
    const isBestFit = parameters["fit"] === "least";
    return {
      score(candidates, packet, scores, { signals, nowUs, slo }) {
        for (let i = 0; i < candidates.length; i++) {
          const endpoint = candidates[i]!;
          const ttftUs = signals.ttftUs(endpoint, packet, nowUs);
          if (slo === null) {
            scores[i] = 1 + ttftUs;
            continue;
          }
          const ttft = 1 - ttftUs / Math.max(1, slo.ttftUs);
          const tpot = 1 - signals.tpotUs(endpoint, nowUs) / Math.max(1, slo.tpotUs);
          if (ttft >= 0 && tpot >= 0) {
            const headroom = weight * ttft + (1 - weight) * tpot;
            scores[i] = MIDDLE + MIDDLE * (isBestFit ? 1 - headroom : headroom);
          } else {
            const missed = weight * Math.max(0, -ttft) + (1 - weight) * Math.max(0, -tpot);
            scores[i] = MIDDLE / (1 + missed);
          }
        }
        if (slo === null) inProportion(scores);
      },
    };
  },
};
