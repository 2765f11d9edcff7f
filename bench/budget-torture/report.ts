import { table } from "../../src/cli/table.ts";
import { usdOf } from "./money.ts";
import type { CapFigures, ScenarioReport } from "./figures.ts";
import type { TortureReport } from "./torture.ts";

const HEADER = [
  "scenario",
  "requests",
  "answered",
  "refused",
  "failed",
  "left",
  "unanswered",
  "cap",
  "spent",
  "overspend",
  "false refusals",
  "holds leaked",
  "unbilled",
  "overcharged",
  "",
];

/** The table for the terminal; amounts in millionths of a USD. */
export function render(report: TortureReport): string {
  return [...table(HEADER, report.scenarios.map(cells)).split("\n"), "", ...notes(report)].join("\n");
}

export function renderMarkdown(report: TortureReport): string {
  const { gateway, seed, size, scenarios } = report;
  const rule = HEADER.map((_, i) => (i === 0 || i === HEADER.length - 1 ? "---" : "---:"));
  return [
    `${gateway}; ${size} run, seed ${seed}. Amounts in millionths of a USD.`,
    "",
    row(HEADER),
    row(rule),
    ...scenarios.map((scenario) => row(cells(scenario))),
    "",
    ...notes(report).map((note) => (note === "" ? "" : `- ${note}`)),
    "",
  ].join("\n");
}

function row(words: readonly string[]): string {
  return `| ${words.join(" | ")} |`;
}

/** 0 where every scenario that was run is clean, else 1; 1 as well where none was run. */
export function exitCode({ scenarios }: TortureReport): number {
  const hasFailed = scenarios.some(({ verdict }) => verdict === "failed");
  return hasFailed || scenarios.every(({ verdict }) => verdict === "not run") ? 1 : 0;
}

/** A scenario in a line: its first cap's amounts, and the worst of each figure over all of them. */
function cells({ name, verdict, counts, caps }: ScenarioReport): string[] {
  const [first] = caps;
  const word = verdict === "failed" ? "FAILED" : verdict;
  if (first === undefined) return [name, ...HEADER.slice(2).map(() => ""), word];
  const requests = Object.values(counts).reduce((sum, each) => sum + each, 0);
  return [
    name,
    ...[requests, counts.answered, counts.refused, counts.failed, counts.left, counts.unanswered].map(String),
    millionths(first.capNano),
    millionths(first.spentNano),
    worst(caps, (each) => each.overspendNano),
    String(caps.reduce((sum, each) => sum + each.falseRefusals, 0)),
    worst(caps, (each) => each.leakedNano),
    worst(caps, (each) => each.unbilledNano),
    worst(caps, (each) => each.overchargedNano),
    word,
  ];
}

function worst(caps: readonly CapFigures[], figureOf: (each: CapFigures) => number | null): string {
  const known = caps.map(figureOf).filter((figure) => figure !== null);
  return known.length === 0 ? "?" : millionths(Math.max(...known));
}

function millionths(nano: number): string {
  return String(Number((nano / 1_000).toFixed(3)));
}

function notes({ scenarios }: TortureReport): string[] {
  return scenarios.flatMap(({ name, note, verdict, caps }) => {
    const said = note === "" ? [] : [`${name}: ${verdict === "not run" ? "not run. " : ""}${note}`];
    const overage = caps.reduce((sum, each) => Math.max(sum, each.overageNano), 0);
    if (overage > 0) said.push(`${name}: ${usdOf(overage)} USD were billed beyond what calls were allowed.`);
    return said;
  });
}
