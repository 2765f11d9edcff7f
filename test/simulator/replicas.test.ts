import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, describe, test } from "node:test";
import { currentCommit, simulateCommand } from "../../src/simulator/command.ts";
import { ALL_SHARED_FAULTS } from "../../src/simulator/faults.ts";
import { simulateShared } from "../../src/simulator/replicas/simulate-shared.ts";
import { type SimulationReport, simulateSeeds } from "../../src/simulator/simulate.ts";
import { violationText } from "../../src/simulator/summary.ts";

/** As many as fit in a test; `HEADGATE_SHARED_SEEDS=10000` for a night. */
const SEEDS = Number(process.env["HEADGATE_SHARED_SEEDS"] ?? 200);
const REQUESTS = 150;

const run = (world: { seed: number; requests: number }): SimulationReport => {
  return simulateShared({ ...world, supervisors: null });
};

describe(`${SEEDS} seeds of several supervisors on one ledger`, () => {
  let reports: SimulationReport[] = [];
  before(() => {
    reports = simulateSeeds({ from: 1, count: SEEDS, requests: REQUESTS, run });
  });

  test("no checker finds a violation", () => {
    const failed = reports.find(({ violations }) => violations.length > 0);
    if (failed === undefined) return assert.equal(reports.length, SEEDS);
    assert.fail(violationText(failed, { commit: currentCommit(), node: process.version }));
  });

  test("there are two, three and four of them", () => {
    const counts = new Set(reports.map(({ supervisors }) => supervisors));
    assert.deepEqual(counts, new Set([2, 3, 4]));
  });

  test("every fault strikes", () => {
    const seen = new Set(reports.flatMap(({ faults }) => Object.keys(faults)));
    assert.deepEqual(
      ALL_SHARED_FAULTS.filter((fault) => !seen.has(fault)),
      [],
    );
  });

  test("everything happens to money that can where it is shared", () => {
    const seen = new Set(
      reports.flatMap(({ money, mechanisms }) => Object.keys({ ...money, ...mechanisms })),
    );
    assert.deepEqual(
      SHARING.filter((what) => !seen.has(what)),
      [],
    );
  });

  test("most requests are answered in some worlds", () => {
    const shares = reports.map(({ outcomes, requests }) => (outcomes["completed"] ?? 0) / requests);
    assert(Math.max(...shares) > 0.5);
  });
});

/** As in a report. */
const SHARING: readonly string[] = [
  "answers that a limit cut short",
  "grants of more credit",
  "holds in doubt that receipts put right",
  "holds of those who left, in doubt",
  "leases asked for",
  "leases recalled",
  "leases lost",
  "overages",
  "refusals",
  "replicas whose doubts were left to others",
  "last cents spent",
  "cents refused beyond the last",
  "supervisors told of slices to come",
  "supervisors told of slices to be closed",
  "slices: open open",
  "slices: open refused with account_exists",
  "slices: open refused with account_closed",
  "slices: open refused with budget_exhausted",
  "slices: open refused with budget_insufficient",
  "slices: show open",
  "slices: show closed",
  "slices: close closed",
];

const PROGRAM = `
  import { simulateShared } from ${JSON.stringify(new URL("../../src/simulator/replicas/simulate-shared.ts", import.meta.url))};
  console.log(JSON.stringify([3, 4].map((seed) => simulateShared({ seed, requests: 60, supervisors: null }))));
`;

test("a seed gives the same report, byte for byte, in another process", () => {
  const program = ["--input-type=module-typescript", "--eval", PROGRAM];
  const elsewhere = execFileSync(process.execPath, program, { encoding: "utf8" }).trim();
  assert.equal(JSON.stringify([3, 4].map((seed) => run({ seed, requests: 60 }))), elsewhere);
});

test("the command runs as many supervisors as it is told, and says how to see a seed again", () => {
  let printed = "";
  const out = { print: (text: string) => (printed += text) };
  assert.equal(simulateCommand({ seed: 3, requests: 20, supervisors: 4, json: true }, out), 0);
  const report = JSON.parse(printed) as SimulationReport;
  assert.equal(report.supervisors, 4);
  const violations = [{ checker: "journal", atUs: 0, request: null, message: "is passed" }];
  const text = violationText({ ...report, violations }, { commit: "abc123", node: "v24.0.0" });
  assert.match(text, /simulate --seed 3 --supervisors 4 --requests 20\n/);
});

test("several supervisors can't be recorded", () => {
  const options = { seed: 3, supervisors: 2, record: "/dev/null" };
  assert.throws(() => simulateCommand(options, { print: () => {} }), /--record takes one supervisor/);
});
