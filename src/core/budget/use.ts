import type { Charge } from "./charge.ts";

/** What an attempt has come to, if anybody knows. */
export type Use = Charge | "none" | "unknown";
