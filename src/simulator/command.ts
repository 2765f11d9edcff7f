import { execFileSync } from "node:child_process";
import { simulateShared } from "./replicas/simulate-shared.ts";
import { REQUESTS_DEFAULT, simulate, type SimulationReport, simulateSeeds } from "./simulate.ts";
import { summaryOf, violationText } from "./summary.ts";

export interface SimulateOptions {
  /** The first seed. */
  seed: number;
  /** How many seeds, one after the other. */
  seeds?: number;
  /** Requests in each run. */
  requests?: number;
  /** So many supervisors share the ledger; true for two to four, as each seed says. One has it to itself if absent. */
  supervisors?: number | true;
  /** Prints the reports as JSON, one line each, instead of a table. */
  json?: boolean;
  /** File to record a single run into. */
  record?: string;
}

/** Where the text goes, line ends included; what `progress` is called with is overwritten by what comes next. */
export interface SimulateOutput {
  print(text: string): void;
  progress?(text: string): void;
}

/** `headgate simulate`. Returns the exit code: 0, or 1 once a checker has found a violation. */
export function simulateCommand(options: SimulateOptions, out: SimulateOutput): number {
  const { seed, seeds = 1, requests = REQUESTS_DEFAULT, record, supervisors } = options;
  if (record !== undefined && seeds > 1) throw new Error("--record takes one run: leave --seeds away.");
  if (record !== undefined && supervisors !== undefined)
    throw new Error("--record takes one supervisor: leave --supervisors away.");
  const run = supervisors === undefined ? simulate : sharedBy(supervisors);
  const reports =
    record === undefined
      ? simulateSeeds({ from: seed, count: seeds, requests, run, onProgress: progressOf(options, out) })
      : [simulate({ seed, requests, record })];
  if (options.json === true) for (const report of reports) out.print(`${JSON.stringify(report)}\n`);
  else out.print(summaryOf(reports));
  const failed = reports.find(({ violations }) => violations.length > 0);
  if (failed === undefined) return 0;
  const provenance = { commit: currentCommit(), node: process.version };
  if (options.json !== true) out.print(violationText(failed, provenance));
  return 1;
}

function sharedBy(
  supervisors: number | true,
): (world: { seed: number; requests: number }) => SimulationReport {
  return (world) => simulateShared({ ...world, supervisors: supervisors === true ? null : supervisors });
}

function progressOf(
  { seed, seeds = 1 }: SimulateOptions,
  out: SimulateOutput,
): (report: SimulationReport) => void {
  return (report) => {
    const done = report.seed - seed + 1;
    if (done % 10 === 0 && done < seeds) out.progress?.(`${done} of ${seeds} seeds`);
  };
}

/** The commit of the source that is running; `unknown` outside of a clone. */
export function currentCommit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=40"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
