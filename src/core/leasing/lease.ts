import type { Counted } from "../admission/rate-limits.ts";
import type { LimitUnit } from "../budget/limits.ts";
import type { LimitWindow } from "../budget/windows.ts";
import type { SliceAsked } from "../events.ts";
import { type Micros, seconds } from "../units.ts";

/*
 * Several supervisors share a ledger: each is a replica, and one of all processes keeps the ledger. A replica may hold money
 * only inside its lease of every limit on the path, so that a reserve is decided where the request is, and all of them
 * together can't pass a cap.
 *
 *             ask: "I need 5, and would take 40"         more asks
 *   replica ──────────────────────────────────▶ desk ◀──────────── replica
 *      ▲    ◀────────────────────────────────── │  │
 *      │      answer: 40, or, at the end, what    │  │ recall: "give back what you don't use"
 *      │      there was left                      │  ▼
 *      └── give: what is not used ────────────────┘ …
 *
 * What a replica sends is read in the order in which it was sent, entries and orders alike, and written in the order in which
 * all of it was read. So both sides count the same: what a lease has left is what was granted, less what was given back, less
 * what the replica's own entries use.
 */

/** What a slice has for a window: leases are cut from what nobody has drawn of it. */
export const SLICE_WINDOW: LimitWindow = "slice";

/** One instance of the window of a limit, or of a slice one unit: what leases are cut from. */
export interface LeasePlace {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  /** 0 for `total`, for slices and for rolling windows, of which there is one. */
  startUs: Micros;
}

/** What a replica tells the desk; amounts are decimal integers in the limit's unit. */
export type LeaseOrder = LeaseOpen | LeaseAsk | LeaseGive | TurnAsk | SliceAsk | SliceAwaited | SliceLeft;

/** From here on a limit counts as it stands now: nothing of it is leased, in any instance. */
export interface LeaseOpen extends Omit<LeasePlace, "startUs"> {
  kind: "open";
}

/**
 * What a request needs of every limit on its path: granted as a whole or not at all, so that no two replicas wait for what the
 * other one has. One at a time for each place, until the place's limit is set anew.
 */
export interface LeaseAsk {
  kind: "ask";
  /** Names it in the answer. */
  ask: number;
  places: AskedPlace[];
  /** Others that it is to be told about: nobody waits for anything there. */
  news: LeasePlace[];
}

/** So much has to be left of the lease. */
export interface AskedPlace extends LeasePlace {
  /** What the request needs; 0 for one that is to come. */
  needed: string;
  /** What would do if there is not so much. */
  least: string;
  /** What would be taken beyond that, to be used later. */
  surplus: string;
  /** How far the limit may be used: 100, or where a threshold stops that request. */
  percent: number;
}

/** What is not used any more, or not yet. */
export interface LeaseGive extends LeasePlace {
  kind: "give";
  amount: string;
  /** The recall that it answers, for then it is all there was; null where nobody has asked. */
  recall: number | null;
}

/** Whether the request may come in by the rates that it counts with; `turn_given` answers. */
export interface TurnAsk extends Counted {
  kind: "turn";
  request: string;
}

/** Somebody asks about a slice; `slice_told` answers. */
export interface SliceAsk {
  kind: "slice";
  asked: SliceAsked;
  /** Names of the bands, the most urgent first, and which of them takes what names none: thresholds go by them. */
  bands: readonly string[];
  usualBand: number;
}

/** From here on nothing at or below that account takes anything, until it is told what has come of the opening. */
export interface SliceAwaited {
  kind: "slice_awaited";
  opening: number;
}

/** From here on nothing takes from the slice, or from one inside it, and what was leased of them is not any more. */
export interface SliceLeft {
  kind: "slice_left";
  closing: number;
  account: string;
}

/** A replica is taken for dead when nothing was heard of it for so long, and what it held is posted in doubt. */
export const LEASE_TTL_US: Micros = seconds(10);
/** By so much clocks may differ in what they take for that time: a replica stops that long before. */
export const LEASE_SKEW_US: Micros = seconds(2);
