import { type Machine, renderMachine } from "../machine.ts";
import type { Line, LineVerdict, ValidationGroup } from "./line.ts";

/** What one group came to. */
export interface GroupReport {
  name: string;
  source: string;
  command: string;
  lines: Line[];
}

export function reportOf({ name, source, command }: ValidationGroup): GroupReport {
  return { name, source, command, lines: [] };
}

/** 1 where a line is missed. What can't be looked at is said at the end, and is no failure. */
export function exitCodeOf(reports: readonly GroupReport[]): 0 | 1 {
  return withVerdict(reports, "missed").length > 0 ? 1 : 0;
}

/** One line of the terminal. */
export function renderLine(line: Line): string {
  const { what, verdict, note, seconds } = line;
  const figures =
    verdict === "skipped" ? "" : `expected ${number(line.expected).padEnd(9)} got ${got(line).padEnd(22)}`;
  return `${verdict.padEnd(7)}  ${what.padEnd(44)} ${figures} ${seconds.toFixed(1).padStart(6)} s  ${note}`.trimEnd();
}

export function summary(reports: readonly GroupReport[]): string {
  const count = (verdict: LineVerdict): number => withVerdict(reports, verdict).length;
  return `${count("holds")} hold, ${count("missed")} missed, ${count("skipped")} skipped`;
}

/** The summary, and what does not hold once more: after an hour of lines, that is what is looked for. */
export function renderEnd(reports: readonly GroupReport[]): string {
  const others = (["missed", "skipped"] as const).flatMap((verdict) => withVerdict(reports, verdict));
  return [summary(reports), ...others.map(({ group, line }) => `${renderLine(line)} (${group})`)].join("\n");
}

function withVerdict(reports: readonly GroupReport[], verdict: LineVerdict): { group: string; line: Line }[] {
  return reports.flatMap(({ name: group, lines }) =>
    lines.filter((line) => line.verdict === verdict).map((line) => ({ group, line })),
  );
}

/** The page for the docs. */
export function renderMarkdown(reports: readonly GroupReport[], machine: Machine): string {
  const groups = reports.map(({ name, source, command, lines }) => {
    const rows = lines.map((line) => {
      const cells = [
        line.what,
        number(line.expected),
        got(line),
        line.verdict,
        line.seconds.toFixed(1),
        line.note,
      ];
      return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    });
    const head = `## ${name}\n\n${source}. \`${command}\`\n\n| | expected | got | verdict | s | |\n| --- | ---: | ---: | --- | ---: | --- |`;
    return [head, ...rows].join("\n");
  });
  const title =
    "# Validation\n\nWritten by `npm run validate -- --markdown docs/validation.md`: what the scheduler and its simulator are held to, and what they come to.";
  return `${[title, `\`\`\`\n${renderMachine(machine)}\n\`\`\``, `${summary(reports)}.`, ...groups].join("\n\n")}\n`;
}

function got({ got: value, halfWidth }: Line): string {
  if (value === null) return "";
  return halfWidth === null ? number(value) : `${number(value)} ± ${number(halfWidth)}`;
}

/** Five digits that count. */
function number(value: number | string): string {
  if (typeof value === "string") return value;
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
}
