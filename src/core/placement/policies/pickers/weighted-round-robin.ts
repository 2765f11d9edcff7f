import type { Endpoint } from "../../../fleet/endpoint.ts";
import type { PickerDefinition } from "../../contracts.ts";

/**
 * Stride scheduling: each endpoint has a pass, the lowest is picked and moves on by 1 / weight. One that was away
 * comes back where the others are, not with all that it has missed.
 */
export const weightedRoundRobin: PickerDefinition = {
  kind: "picker",
  name: "weighted-round-robin",
  summary: "Candidates in turn, each as often as its weight says: its label, or else its slots.",
  formula: "argmin pass, then pass += 1 ÷ weight",
  source: "Waldspurger and Weihl, Stride Scheduling (1995)",
  needs: [],
  parameters: {
    label: {
      summary: "The label that holds a worker's weight; its slots count where that is no positive number",
      unit: "",
      default: "weight",
    },
  },
  create: (parameters) => {
    const label = String(parameters["label"]);
    const passes = new WeakMap<Endpoint, number>();
    let lastPass = 0;
    const passOf = (endpoint: Endpoint): number => Math.max(passes.get(endpoint) ?? 0, lastPass);
    return {
      pick(candidates) {
        let first = 0;
        let lowest = Infinity;
        for (let i = 0; i < candidates.length; i++) {
          const pass = passOf(candidates[i]!);
          const lead = lowest - pass;
          if (lead > 0 || (lead === 0 && candidates[i]!.pickedAt < candidates[first]!.pickedAt)) {
            first = i;
            lowest = pass;
          }
        }
        const picked = candidates[first]!;
        lastPass = lowest;
        passes.set(picked, lowest + 1 / weightOf(picked, label));
        return first;
      },
    };
  },
};

function weightOf({ worker, slots }: Endpoint, label: string): number {
  const weight = Object.hasOwn(worker.labels, label) ? Number(worker.labels[label]) : Number.NaN;
  return weight > 0 && weight < Infinity ? weight : Math.max(1, slots);
}
