import type { FairnessDefinition } from "../../contracts.ts";

export const fcfsFlows: FairnessDefinition = {
  kind: "fairness",
  name: "fcfs-flows",
  summary:
    "First come, first served across flows, whoever they are. Whoever asks most gets most: for a single user, or as a yardstick.",
  formula: "rank = order of arrival of the packet the flow would be served with",
  source: "Classic",
  needs: [],
  parameters: {},
  create: () => ({ rank: ({ next }) => next!.sequence }),
};
