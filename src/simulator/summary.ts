import { FAULTS, SHARED_FAULTS } from "./faults.ts";
import { REQUESTS_DEFAULT, type SimulationReport } from "./simulate.ts";

const EXPLAINED: Readonly<Record<string, string>> = { ...FAULTS, ...SHARED_FAULTS };

/** The reports as people read them: one table for all runs together. */
export function summaryOf(reports: readonly SimulationReport[]): string {
  const [first] = reports;
  if (first === undefined) return "";
  const last = reports.at(-1)!;
  const seeds = first === last ? `seed ${first.seed}` : `seeds ${first.seed} to ${last.seed}`;
  const sum = (pick: (report: SimulationReport) => number): number => {
    return reports.reduce((total, report) => total + pick(report), 0);
  };
  const sections = [
    section(`${seeds}, in virtual time`, [
      ["requests", sum(({ requests }) => requests)],
      ["seconds", Math.round(sum(({ virtualSeconds }) => virtualSeconds))],
      ["events", sum(({ events }) => events)],
      ["effects", sum(({ effects }) => effects)],
      ["retries", sum(({ retries }) => retries)],
      ["crashes of supervisors", sum(({ crashes }) => crashes)],
      ["requests that these interrupted", sum(({ interrupted }) => interrupted)],
    ]),
    section("how requests ended", totals(reports.map(({ outcomes }) => outcomes))),
    section("what failed ones were told", totals(reports.map(({ errors }) => errors))),
    section("money", totals(reports.map(({ money }) => money))),
    section(
      "what was done about slow and broken endpoints",
      totals(reports.map(({ mechanisms }) => mechanisms)),
    ),
    section("faults", totals(reports.map(({ faults }) => faults)), (name) => EXPLAINED[name] ?? ""),
  ];
  if (first === last) sections.splice(1, 0, latencies(first), `hash of effects  ${first.hash}`);
  return `${sections.filter((text) => text !== "").join("\n\n")}\n`;
}

/** All that is needed to see the first violation again. */
export function violationText(
  report: SimulationReport,
  provenance: { commit: string; node: string },
): string {
  const { seed, supervisors, requests, violations, trace } = report;
  const shared = supervisors === undefined ? "" : ` --supervisors ${supervisors}`;
  const size = requests === REQUESTS_DEFAULT ? "" : ` --requests ${requests}`;
  const found = violations.map(({ checker, request, message }) => {
    return `  ${checker}: ${request === null ? "" : `${request} `}${message}`;
  });
  return [
    `seed ${seed} has a violation`,
    ...found,
    "",
    `commit  ${provenance.commit}`,
    `node    ${provenance.node}`,
    `again   npm run headgate -- simulate --seed ${seed}${shared}${size}`,
    "",
    "the last events (→) and effects (←), by seconds of virtual time",
    ...trace,
    "",
  ].join("\n");
}

function latencies({ ttftMs, totalMs }: SimulationReport): string {
  const rows: [string, number][] = [];
  for (const [name, times] of [["first token", ttftMs] as const, ["whole answer", totalMs] as const]) {
    for (const share of ["p50", "p95", "p99"] as const) {
      if (times !== null) rows.push([`${name} ${share}`, Math.round(times[share])]);
    }
  }
  return section("ms from arrival", rows);
}

function totals(counts: readonly Partial<Record<string, number>>[]): [string, number][] {
  const sums = new Map<string, number>();
  for (const each of counts) {
    for (const [name, count] of Object.entries(each)) sums.set(name, (sums.get(name) ?? 0) + (count ?? 0));
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

function section(
  title: string,
  rows: readonly [string, number][],
  explain: (name: string) => string = () => "",
): string {
  if (rows.length === 0) return "";
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const countWidth = Math.max(...rows.map(([, count]) => String(count).length));
  const lines = rows.map(([name, count]) => {
    return `  ${name.padEnd(nameWidth)}  ${String(count).padStart(countWidth)}  ${explain(name)}`.trimEnd();
  });
  return [title, ...lines].join("\n");
}
