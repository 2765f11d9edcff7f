import type { ValidationGroup } from "../line.ts";
import { blockHitsGroup } from "./block-hits.ts";
import { closedFormsGroup } from "./closed-forms.ts";
import { fairnessGroup } from "./fairness.ts";
import { liveGroup } from "./live.ts";
import { vtcGroup } from "./vtc.ts";

/** In the order they run. */
export const GROUPS: readonly ValidationGroup[] = [
  blockHitsGroup,
  closedFormsGroup,
  vtcGroup,
  fairnessGroup,
  liveGroup,
];
