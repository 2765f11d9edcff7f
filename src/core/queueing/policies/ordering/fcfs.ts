import type { OrderingDefinition } from "../../contracts.ts";

export const fcfs: OrderingDefinition = {
  kind: "ordering",
  name: "fcfs",
  summary: "First come, first served.",
  formula: "rank = order of arrival",
  source: "Classic",
  needs: [],
  parameters: {},
  create: () => ({ rank: ({ sequence }) => sequence }),
};
