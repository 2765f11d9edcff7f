import { table } from "../src/cli/table.ts";

/** What the rounds gave: the middle, and how far they lie apart. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** One line of a report: the same thing measured on each of the subjects that are compared. */
export interface Figure {
  what: string;
  unit: string;
  /** By subject, such as `bare` and `headgate`. */
  subjects: Record<string, Spread>;
  /** What the comparison comes to, round by round; null where nothing is compared. */
  verdict: Verdict | null;
}

export interface Verdict {
  /** How it is worked out, such as `headgate / bare`. */
  formula: string;
  value: Spread;
  /** Null where we only want to know. */
  aim: Aim | null;
}

export interface Aim {
  at: "most" | "least";
  bound: number;
}

/** What one bench found. */
export interface Report {
  bench: string;
  figures: Figure[];
  /** What the figures are, where their names do not say it. */
  notes?: readonly string[];
}

/** The subjects' values in one round each, in the order of rounds. */
export type Rounds<Subject extends string> = Record<Subject, number[]>;

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: sorted[0] ?? Number.NaN, high: sorted.at(-1) ?? Number.NaN };
}

/** The value that a fraction `q` of the sorted values does not exceed, between two of them in proportion. */
export function quantile(sorted: readonly number[], q: number): number {
  const place = (sorted.length - 1) * q;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** A figure from rounds, compared round by round: what disturbs the machine for a while disturbs both sides. */
export function figure<Subject extends string>(options: {
  what: string;
  unit: string;
  rounds: Rounds<Subject>;
  verdict?: { formula: string; of: (round: Record<Subject, number>) => number; aim: Aim | null };
}): Figure {
  const { what, unit, rounds, verdict } = options;
  const subjects = Object.keys(rounds) as Subject[];
  const count = Math.min(...subjects.map((subject) => rounds[subject].length));
  const inRound = (i: number): Record<Subject, number> =>
    Object.fromEntries(subjects.map((subject) => [subject, rounds[subject][i]])) as Record<Subject, number>;
  return {
    what,
    unit,
    subjects: Object.fromEntries(subjects.map((subject) => [subject, spread(rounds[subject])])),
    verdict:
      verdict === undefined
        ? null
        : {
            formula: verdict.formula,
            value: spread(Array.from({ length: count }, (_, i) => verdict.of(inRound(i)))),
            aim: verdict.aim,
          },
  };
}

export function isMet({ value, aim }: Verdict): boolean | null {
  if (aim === null) return null;
  return aim.at === "most" ? value.median <= aim.bound : value.median >= aim.bound;
}

/** The report as a table: medians, the lowest and highest round behind them, and what came of the aims. */
export function render({ bench, figures, notes = [] }: Report): string {
  const subjects = [...new Set(figures.flatMap((each) => Object.keys(each.subjects)))];
  const rows = figures.map((each) => [
    each.what,
    each.unit,
    ...subjects.map((subject) => cell(each.subjects[subject])),
    each.verdict?.formula ?? "",
    cell(each.verdict?.value),
    each.verdict === null ? "" : aimCell(each.verdict),
  ]);
  const hasVerdict = figures.some(({ verdict }) => verdict !== null);
  const header = ["", "unit", ...subjects, "compared", "", "aim"];
  const width = hasVerdict ? header.length : header.length - 3;
  const cut = (cells: readonly string[]): string[] => cells.slice(0, width);
  const below = notes.map((note) => `\n${note}`).join("");
  return `${bench}\n\n${table(cut(header), rows.map(cut))}\n${below}${below === "" ? "" : "\n"}`;
}

function cell(value: Spread | undefined): string {
  if (value === undefined) return "";
  return `${short(value.median)} (${short(value.low)}..${short(value.high)})`;
}

function aimCell(verdict: Verdict): string {
  const { aim } = verdict;
  if (aim === null) return "";
  return `${aim.at === "most" ? "<=" : ">="} ${aim.bound} ${isMet(verdict) === true ? "met" : "MISSED"}`;
}

/** Three digits that count. */
function short(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
