import type { OrderingDefinition } from "../../contracts.ts";

export const edf: OrderingDefinition = {
  kind: "ordering",
  name: "edf",
  summary:
    "Earliest deadline first: by when the first token is hoped for, or by when the request would time out where nothing is.",
  formula: "rank = arrival + TTFT of the SLO",
  source: "Liu & Layland, 1973",
  needs: [],
  parameters: {},
  create: () => ({ rank: ({ dueUs }) => dueUs }),
};
