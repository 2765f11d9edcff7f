import type { PickerDefinition } from "../../contracts.ts";
import { maxScore } from "./max-score.ts";

export const softmax: PickerDefinition = {
  kind: "picker",
  name: "softmax",
  summary:
    "At random, the better the likelier, so that many supervisors or a burst do not all choose the same endpoint.",
  formula: "P(i) ∝ exp(total score i ÷ temperature); the highest score at temperature 0",
  source: "NVIDIA Dynamo, router temperature",
  needs: [],
  parameters: {
    temperature: { summary: "0 for the best, more for more chance", unit: "", default: 0, min: 0, max: 1e3 },
  },
  create: (parameters) => {
    const temperature = Number(parameters["temperature"]);
    if (temperature === 0) return maxScore.create({});
    return {
      pick(candidates, _packet, totals, { random }) {
        let best = -Infinity;
        for (let i = 0; i < candidates.length; i++) best = Math.max(best, totals[i]!);
        // Relative to the best, so that none overflows.
        const likelihood = (i: number): number => Math.exp((totals[i]! - best) / temperature);
        let sum = 0;
        for (let i = 0; i < candidates.length; i++) sum += likelihood(i);
        let left = random.fraction() * sum;
        for (let i = 0; i < candidates.length; i++) {
          left -= likelihood(i);
          if (left < 0) return i;
        }
        // Rounding may leave a rest: the last.
        return candidates.length - 1;
      },
    };
  },
};
