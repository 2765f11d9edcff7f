import type { Outcome } from "./client.ts";

/** What became of one cap, in nano-USD. Null where the gateway does not say enough. */
export interface CapFigures {
  /** The team, or `team/key`. */
  account: string;
  capNano: number;
  /** By the upstream's books, and of it what was billed beyond the maximum that calls were given. */
  spentNano: number;
  overageNano: number;
  reportedNano: number | null;
  /** Spent beyond the cap, overage aside. */
  overspendNano: number;
  /** Requests refused although they fitted, after everything had settled. */
  falseRefusals: number;
  /** Still reserved after everything had settled: as reported, or as far as it kept requests out. */
  leakedNano: number;
  /** Spent, and not reported. */
  unbilledNano: number | null;
  /** Reported, and not spent: no failure, but worth to know. */
  overchargedNano: number | null;
}

/** Of all requests of a scenario together. */
export type Counts = Record<Outcome["kind"], number>;

export interface ScenarioReport {
  name: string;
  /** In a sentence. */
  what: string;
  verdict: "clean" | "failed" | "not run";
  /** Why it was not run, and what else has to be known. */
  note: string;
  counts: Counts;
  caps: CapFigures[];
  seconds: number;
}

/** The four that have to be zero. */
export function isClean(figures: CapFigures): boolean {
  const { overspendNano, falseRefusals, leakedNano, unbilledNano } = figures;
  return overspendNano === 0 && falseRefusals === 0 && leakedNano === 0 && (unbilledNano ?? 0) === 0;
}

export function count(outcomes: readonly Outcome[]): Counts {
  const counts: Counts = { answered: 0, refused: 0, failed: 0, left: 0, unanswered: 0 };
  for (const { kind } of outcomes) counts[kind]++;
  return counts;
}
