import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { benchBudgets } from "../../bench/budgets/bench.ts";
import { benchCore } from "../../bench/core/bench.ts";
import { benchDataPlane } from "../../bench/data-plane/bench.ts";
import { type Figure, render, type Report, type Spread } from "../../bench/figures.ts";
import { SIZES } from "../../bench/sizes.ts";
import { benchStartUp } from "../../bench/start-up/bench.ts";
import { benchSupervisors } from "../../bench/supervisors/bench.ts";
import { benchWorker } from "../../bench/worker/bench.ts";

// That the benches run, and say what they are to say; how large a figure is, nobody asks here.

test("the data plane's bench compares Headgate with a bare proxy", async () => {
  const report = await benchDataPlane(SIZES.smoke);
  assertWellFormed(report);
  assert.deepEqual(subjectsOf(report), ["bare", "direct", "headgate"]);
  const formulas = new Set(report.figures.map(({ verdict }) => verdict?.formula));
  assert.deepEqual(formulas, new Set(["headgate / bare", "headgate - direct"]));
});

test("the budgets' bench compares limits with none, and tells how long holds take to be durable", async () => {
  const report = await benchBudgets(SIZES.smoke);
  assertWellFormed(report);
  assert.deepEqual(subjectsOf(report), ["limited", "unlimited"]);
  const durable = report.figures.filter(({ what }) => what.startsWith("hold durable"));
  assert.equal(durable.length, 2 * SIZES.smoke.dataPlane.rates.length);
  for (const { subjects } of durable) assert.ok(subjects["limited"]!.low > 0);
});

test("the worker's bench compares it with the library", async () => {
  const report = await benchWorker(SIZES.smoke);
  assertWellFormed(report);
  assert.deepEqual(subjectsOf(report), ["direct", "worker"]);
});

test("the core's bench measures each policy and the ledger", async () => {
  const report = await benchCore(SIZES.smoke);
  assertWellFormed(report);
  for (const subject of ["round-robin", "sessions-kv", "standard", "memory", "durable"]) {
    assert.ok(subjectsOf(report).includes(subject), subject);
  }
});

test("the bench of several supervisors compares four with one", async () => {
  const report = await benchSupervisors(SIZES.smoke);
  assertWellFormed(report);
  assert.deepEqual(subjectsOf(report), ["1 supervisor", "4 supervisors"]);
  const [requests, capacity, supervisors, launcher] = report.figures;
  assert.equal(launcher!.subjects["1 supervisor"], undefined);
  const [cpuUs, launcherUs] = [supervisors, launcher].map((each) => each!.subjects["4 supervisors"]!);
  const reckoned = capacity!.subjects["4 supervisors"]!;
  assert.ok(reckoned.high <= 4_000_000 / (cpuUs!.low + launcherUs!.low));
  assert.ok(reckoned.low >= 4_000_000 / (cpuUs!.high + launcherUs!.high));
  assert.deepEqual(capacity!.subjects["1 supervisor"], requests!.subjects["1 supervisor"]);
  for (const note of report.notes!) assert.ok(render(report).includes(note));
});

test("the bench of starting up has a ledger that was filled, and one that was not", async () => {
  const report = await benchStartUp(SIZES.smoke);
  assertWellFormed(report);
  assert.deepEqual(subjectsOf(report), ["empty", "large"]);
  assert.match(report.bench, /of 1,000 entries .+ and 13 accounts/);
});

test("the command prints machine, commit and figures, and writes them into a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-test-"));
  try {
    const file = join(folder, "figures.json");
    const output = runCommand("--only", "core", "--quick", "--json", file);
    assert.match(output, /^machine  .+ cores, .+\nsystem   Node v.+\ncommit   .+\nsize     quick/);
    const written = JSON.parse(readFileSync(file, "utf8")) as { size: string; reports: Report[] };
    assert.equal(written.size, "quick");
    assert.deepEqual(
      written.reports.map(({ bench }) => bench),
      ["core"],
    );
    for (const { what } of written.reports[0]!.figures) assert.ok(output.includes(`\n${what} `), what);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the command knows its benches", () => {
  const help = runCommand("--help").replaceAll(/\s+/g, " ");
  assert.match(help, /--only <bench>.+"data-plane", "budgets", "worker", "core", "supervisors", "start-up"/);
});

function runCommand(...options: string[]): string {
  const script = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...options], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

function assertWellFormed(report: Report): void {
  assert.ok(report.figures.length > 0);
  for (const each of report.figures) assertFigure(each);
  const table = render(report);
  for (const { what } of report.figures) assert.ok(table.includes(`\n${what} `), what);
}

function assertFigure({ what, subjects, verdict }: Figure): void {
  for (const value of Object.values(subjects)) assertSpread(what, value);
  if (verdict !== null) assertSpread(what, verdict.value);
}

function assertSpread(what: string, { low, median, high }: Spread): void {
  assert.ok([low, median, high].every(Number.isFinite), `${what}: ${low} ${median} ${high}`);
  assert.ok(low <= median && median <= high, `${what}: ${low} ${median} ${high}`);
}

function subjectsOf({ figures }: Report): string[] {
  return [...new Set(figures.flatMap(({ subjects }) => Object.keys(subjects)))].sort();
}
