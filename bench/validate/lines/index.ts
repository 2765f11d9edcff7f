import type { ValidationGroup } from "../line.ts";
import { blockHitsGroup } from "./block-hits.ts";
import { closedFormsGroup } from "./closed-forms.ts";
import { decisionLatencyGroup } from "./decision-latency.ts";
import { fairnessGroup } from "./fairness.ts";
import { goodputGroup } from "./goodput.ts";
import { isolationGroup } from "./isolation.ts";
import { liveGroup } from "./live.ts";
import { packetsGroup } from "./packets.ts";
import { simulatorSpeedGroup } from "./simulator-speed.ts";
import { stalenessGroup } from "./staleness.ts";
import { vtcGroup } from "./vtc.ts";

/** In the order they run. */
export const GROUPS: readonly ValidationGroup[] = [
  blockHitsGroup,
  closedFormsGroup,
  vtcGroup,
  fairnessGroup,
  goodputGroup,
  stalenessGroup,
  isolationGroup,
  packetsGroup,
  decisionLatencyGroup,
  simulatorSpeedGroup,
  liveGroup,
];
