import { catalogueOf } from "../policy.ts";
import * as saturation from "./policies/saturation/index.ts";
import * as shedding from "./policies/shedding/index.ts";

/** What `admission` in the configuration may name. */
export const SATURATION = catalogueOf(Object.values(saturation));
export const SHEDDING = catalogueOf(Object.values(shedding));
