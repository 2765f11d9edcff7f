import { catalogueOf } from "../policy.ts";
import * as bands from "./policies/bands/index.ts";
import * as fairness from "./policies/fairness/index.ts";
import * as ordering from "./policies/ordering/index.ts";

/** What `queueing` in the configuration may name. */
export const BANDS = catalogueOf(Object.values(bands));
export const FAIRNESS = catalogueOf(Object.values(fairness));
export const ORDERING = catalogueOf(Object.values(ordering));
