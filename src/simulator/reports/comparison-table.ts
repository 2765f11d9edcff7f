import { table } from "../../cli/table.ts";
import type { Interval } from "../statistics/intervals.ts";
import { COMPARED, comparedMetric } from "../trials/compared-metrics.ts";
import type { ComparedDifference, Comparison, PolicyHighestLoad } from "../trials/comparison.ts";
import { numberText, shareText } from "./numbers.ts";

/** A comparison for the terminal: each load's figures, what differs from the first policy, and the highest loads. */
export function comparisonTable(comparison: Comparison): string {
  const loads = [...new Set(comparison.cells.map(({ load }) => load))];
  const sections = loads.map((load) =>
    [`load × ${numberText(load)}`, figuresAt(comparison, load)].join("\n"),
  );
  const differences = differenceTable(comparison.differences);
  if (differences !== "") sections.push(differences);
  if (comparison.highestLoads.length > 0) sections.push(highestLoadTable(comparison.highestLoads));
  const [first] = comparison.violations;
  if (first !== undefined) {
    const { policy, load, seed, message } = first;
    sections.push(
      `VIOLATIONS in ${comparison.violations.length} runs, so don't trust these figures. The first,\nof ${policy} at load ${load} with seed ${seed}: ${message}`,
    );
  }
  return `${sections.join("\n\n")}\n`;
}

function figuresAt(comparison: Comparison, load: number): string {
  const { policies, rows } = figureRows(comparison, load);
  return table(["", ...policies], rows);
}

/** One row for each figure, one column for each policy. */
export function figureRows({ cells }: Comparison, load: number): { policies: string[]; rows: string[][] } {
  const here = cells.filter((cell) => cell.load === load);
  const policies = [...new Set(here.map(({ policy }) => policy))];
  const shown = COMPARED.filter(({ name }) => here.some(({ metric }) => metric === name));
  const rows = shown.map(({ name, label }) => [
    label,
    ...policies.map((policy) => {
      const cell = here.find((candidate) => candidate.policy === policy && candidate.metric === name);
      return cell === undefined ? "–" : intervalText(cell.interval, name);
    }),
  ]);
  return { policies, rows };
}

/** What is unclear or equal says nothing, and is counted only. */
function differenceTable(differences: readonly ComparedDifference[]): string {
  if (differences.length === 0) return "";
  const clear = differences.filter(({ verdict }) => verdict === "better" || verdict === "worse");
  const [first] = differences;
  const { confidence, count } = first!.difference;
  const rows = clear.map(({ policy, load, metric, difference, relative, verdict }) => [
    policy,
    numberText(load),
    comparedMetric(metric).label,
    differenceText(difference, metric),
    relativeText(relative),
    verdict,
  ]);
  const title = `against ${first!.baseline}, paired over ${count} seeds, ${shareText(confidence)} confidence of each interval by itself`;
  const rest = differences.length - clear.length;
  const note = rest === 0 ? [] : [`${rest} more differences are not clear: their intervals contain 0.`];
  const body =
    rows.length === 0 ? [] : [table(["policy", "load", "figure", "difference", "relative", "verdict"], rows)];
  return [title, ...body, ...note].join("\n");
}

function highestLoadTable(loads: readonly PolicyHighestLoad[]): string {
  const rows = loads.map((found) => {
    const { load, perSecond } = highestLoadText(found);
    const { difference, verdict } = found;
    return [
      found.policy,
      load,
      perSecond,
      difference === null ? "" : plusMinus(difference, numberText),
      verdict ?? "",
    ];
  });
  const header = ["policy", "load", "completed", "difference", "verdict"];
  return ["highest load that meets the SLO", table(header, rows)].join("\n");
}

/** `× 1.23 ± 0.04`, and the requests that were completed at that load. */
export function highestLoadText({ found, interval }: PolicyHighestLoad): { load: string; perSecond: string } {
  if (found.every(({ load }) => load === 0)) return { load: "none is low enough", perSecond: "" };
  const perSecond = found.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0) / found.length;
  const beyond = found.some(({ isBeyond }) => isBeyond) ? " or more" : "";
  return {
    load: `× ${plusMinus(interval, numberText)}${beyond}`,
    perSecond: `${numberText(perSecond)} requests/s`,
  };
}

/** `1.23 s ± 40 ms`. */
export function intervalText(interval: Interval, metric: string): string {
  return plusMinus(interval, comparedMetric(metric).format);
}

/** Differences of shares are points of a hundred. */
export function differenceText(difference: Interval, metric: string): string {
  const { format } = comparedMetric(metric);
  if (format === shareText) return plusMinus(scaled(difference, 100), (value) => `${numberText(value)} pp`);
  return plusMinus(difference, format);
}

export function relativeText(relative: number | null): string {
  if (relative === null) return "–";
  return `${relative > 0 ? "+" : ""}${numberText(relative * 100)} %`;
}

function plusMinus({ value, halfWidth, count }: Interval, format: (value: number) => string): string {
  // One seed says nothing of chance.
  if (count < 2 || !Number.isFinite(halfWidth)) return format(value);
  return halfWidth === 0 ? format(value) : `${format(value)} ± ${format(halfWidth)}`;
}

function scaled(interval: Interval, by: number): Interval {
  return { ...interval, value: interval.value * by, halfWidth: interval.halfWidth * by };
}
