import type { SaturationDefinition } from "../../contracts.ts";

export const utilisation: SaturationDefinition = {
  kind: "saturation",
  name: "utilisation",
  summary:
    "How many slots are taken, and how many requests wait for each of them: a full fleet counts little, a queue much.",
  formula: "(1 − queue_share) · min(1, running / slots) + queue_share · min(1, waiting / slots)",
  source: "Headgate, after the utilisation detector of llm-d",
  needs: [],
  parameters: {
    queue_share: { summary: "What the queue counts.", unit: "", default: 0.8, min: 0, max: 1 },
  },
  create: (parameters) => {
    const share = Number(parameters["queue_share"]);
    return {
      of: ({ running, waiting, slots }) =>
        slots > 0 ? (1 - share) * Math.min(1, running / slots) + share * Math.min(1, waiting / slots) : 1,
    };
  },
};
