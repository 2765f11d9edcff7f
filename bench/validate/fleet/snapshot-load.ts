import type { Worker } from "../../../src/core/fleet/worker.ts";
import { lowestIsBest } from "../../../src/core/placement/policies/normalise.ts";
import type { ScorerDefinition } from "../../../src/core/placement/contracts.ts";
import { MICROS_PER_MILLI } from "../../../src/core/units.ts";

/**
 * What Headgate does not do: it believes what it saw at its last look, and forgets what it has dispatched since. That is
 * how a router goes by reports alone, with a look for each report. Not in the catalogue.
 */
export const snapshotLoad: ScorerDefinition = {
  kind: "scorer",
  name: "snapshot-load",
  summary: "Prefers the worker with the fewest sequences at the last look.",
  formula: "(max − n) ÷ (max − min), 1 for ties",
  source: "",
  needs: [],
  parameters: { every: { summary: "Between two looks", unit: "ms", default: 0, min: 0, max: 1e6 } },
  create: (parameters) => {
    const everyUs = Number(parameters["every"]) * MICROS_PER_MILLI;
    const seen = new Map<Worker, number>();
    let lookedUs = -Infinity;
    return {
      score(candidates, _packet, scores, { signals, nowUs }) {
        if (nowUs - lookedUs >= everyUs) {
          lookedUs = nowUs;
          for (const { worker } of candidates) seen.set(worker, signals.sessions(worker, nowUs));
        }
        for (let i = 0; i < candidates.length; i++) scores[i] = seen.get(candidates[i]!.worker) ?? 0;
        lowestIsBest(scores);
      },
    };
  },
};
