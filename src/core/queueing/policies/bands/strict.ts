import type { BandsDefinition } from "../../contracts.ts";

export const strict: BandsDefinition = {
  kind: "bands",
  name: "strict",
  summary:
    "The most urgent band that has something to give goes first. The others wait for as long as it takes: give them a time to live, or choose `weighted`.",
  formula: "rank = place of the band in the configuration",
  source: "Classic priority queueing",
  needs: [],
  parameters: {},
  create: () => ({ rank: ({ index }) => index }),
};
