import type { Micros } from "../units.ts";
import { type Charge, NOTHING } from "./charge.ts";
import type { LimitUnit } from "./limits.ts";

/** A part of a charge that slices can be of. */
export type SlicePart = "nanoUsd" | "requests" | "inputTokens" | "outputTokens";

export const SLICE_PARTS: readonly SlicePart[] = ["nanoUsd", "requests", "inputTokens", "outputTokens"];

/** What limits call that part of a charge. */
export const UNIT_OF: Readonly<Record<SlicePart, LimitUnit>> = {
  nanoUsd: "usd",
  requests: "requests",
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
};

/** What slices have instead of a model: nothing is ever posted of them. */
export const SLICE_MODEL = "slice";

/** What a hold has taken out of a slice: it counts above the slice in the hold, and no longer in the slice. */
export interface Draw {
  /** The slice's hold. */
  readonly slice: string;
  readonly charge: Charge;
}

/** Whom a slice is for, and until when. */
export interface SlicePlace {
  /** The sub-account; the slice is held on the account above it. */
  readonly account: string;
  readonly expiresUs: Micros;
}

/** All that there is to know of an open slice, but for what is left of it. */
export interface SliceTerms extends SlicePlace {
  readonly id: string;
  /** What it was opened with; parts of which it has nothing are not its business. */
  readonly amounts: Charge;
  /** The instant that what is left of it counts at. */
  readonly atUs: Micros;
}

/** Of each part of a charge on some account, the slice that it is drawn from: the innermost that has that part. */
export type Cover<S extends SliceTerms = SliceTerms> = Readonly<Record<SlicePart, S | null>>;

/** By slices around the account, the innermost first; null where there is none. */
export function coverBy<S extends SliceTerms>(slices: readonly S[]): Cover<S> | null {
  if (slices.length === 0) return null;
  const covering = (part: SlicePart): S | null => slices.find(({ amounts }) => amounts[part] > 0) ?? null;
  return {
    nanoUsd: covering("nanoUsd"),
    requests: covering("requests"),
    inputTokens: covering("inputTokens"),
    outputTokens: covering("outputTokens"),
  };
}

/**
 * A slice's hold is named `slice/global/acme/alice/agent-7@1792832400000000`. So all that there is to know of it stands in
 * each entry about it and in every snapshot, in what an audit has signed, and in columns that a ledger has always had.
 */
const SLICE_ID = /^slice\/([^@:]+)@(\d+)$/;

export function sliceId({ account, expiresUs }: SlicePlace): string {
  return `slice/${account}@${expiresUs}`;
}

/** Null for the hold of a packet, whose name ends otherwise. */
export function placeOfSlice(hold: string): SlicePlace | null {
  const [, account, expiresUs] = SLICE_ID.exec(hold) ?? [];
  return account === undefined ? null : { account, expiresUs: Number(expiresUs) };
}

/** A charge of these parts alone. */
export function chargeOf(parts: Partial<Record<SlicePart, number>>): Charge {
  return { ...NOTHING, ...parts };
}
