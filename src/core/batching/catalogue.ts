import { catalogueOf } from "../policy.ts";
import * as policies from "./policies/index.ts";

/** How requests are put into batches for engines that take one after the other. */
export const BATCHING = catalogueOf(Object.values(policies));
