/** What `npm run validate` is asked for. */
export interface ValidationOptions {
  /** A first look: shorter runs, which say little of what is close. */
  isQuick: boolean;
  /** Only lines with this in their name are wanted; all with "". A group may do as if it had not heard. */
  match: string;
}

/** Figures that belong together, and where they are from. */
export interface ValidationGroup {
  name: string;
  /** Of what is expected: a paper, a data set, a closed form. */
  source: string;
  /** What reproduces its lines. */
  command: string;
  run(options: ValidationOptions): AsyncIterable<Line>;
}

/**
 * - `holds`: what was got is what was expected, as closely as the group demands;
 * - `missed`: it is not;
 * - `skipped`: it could not be looked at, and `note` says why.
 */
export type LineVerdict = "holds" | "missed" | "skipped";

/** One figure that is held to something. */
export interface Line {
  what: string;
  expected: number | string;
  /** Null where it was skipped. */
  got: number | string | null;
  /** Of the interval that `got` is the middle of; null where there is none. */
  halfWidth: number | null;
  verdict: LineVerdict;
  /** What it went through, and what else has to be known to read it. */
  note: string;
  /** How long it took, on the wall clock. */
  seconds: number;
}

/** Of something that was not looked at: what lines that were begin with. */
export const NO_LINE: Line = {
  what: "",
  expected: "",
  got: null,
  halfWidth: null,
  verdict: "skipped",
  note: "",
  seconds: 0,
};
