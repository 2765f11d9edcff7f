import { fairnessCases } from "./families/fairness.ts";
import { choicesCases } from "./families/choices.ts";
import { hedgingCases } from "./families/hedging.ts";
import { manyServerCases } from "./families/many-servers.ts";
import { oneServerCases } from "./families/one-server.ts";
import { priorityCases } from "./families/priorities.ts";
import { roomCases } from "./families/room.ts";
import { supervisorCases } from "./families/supervisor.ts";
import { tandemCases } from "./families/tandem.ts";
import type { Case } from "./case.ts";

/** All that `analytic.json` has figures of. */
export const CASES: readonly Case[] = [
  ...manyServerCases(),
  ...oneServerCases(),
  ...roomCases(),
  ...priorityCases(),
  ...choicesCases(),
  ...hedgingCases(),
  ...tandemCases(),
  ...fairnessCases(),
  ...supervisorCases(),
];
