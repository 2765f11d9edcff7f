import type { ValidationGroup } from "../line.ts";
import { blockHitsGroup } from "./block-hits.ts";
import { closedFormsGroup } from "./closed-forms.ts";

/** In the order they run. */
export const GROUPS: readonly ValidationGroup[] = [blockHitsGroup, closedFormsGroup];
