import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { RULE_MUTANTS, type RuleMutant } from "./rule-mutants.ts";

const TIMEOUT_MS = 60_000;

const ROOT = join(import.meta.dirname, "../..");
const TESTS = join(ROOT, "test/core");

/** What is compiled for one mutant is there for the next. */
const compiled = mkdtempSync(join(tmpdir(), "headgate-compiled-"));
after(() => rmSync(compiled, { recursive: true }));

describe("the tests of rules find", { concurrency: availableParallelism() }, () => {
  for (const mutant of RULE_MUTANTS) {
    test(mutant.name, async (context) => {
      const report = await run([join(TESTS, mutant.foundBy)], mutant);
      // A file that can't be loaded fails as well: what counts is a property that does not hold.
      const failed = /^not ok \d+ - (.*)$[^]*?Property failed after (\d+) tests/m.exec(report);
      assert(failed !== null, `${mutant.foundBy} does not show it:\n${report}`);
      context.diagnostic(`${mutant.foundBy}, after ${failed[2]}: ${failed[1]}`);
    });
  }
});

test("they find nothing where nothing is planted", async () => {
  for (const [seed, mutants] of Map.groupBy(RULE_MUTANTS, (mutant) => mutant.seed)) {
    const paths = [...new Set(mutants.map(({ foundBy }) => join(TESTS, foundBy)))];
    const report = await run(["--test", "--test-isolation=none", ...paths], { seed });
    assert.match(report, /^# pass [1-9]/m, report);
    assert.match(report, /^# fail 0$/m, report);
  }
});

test("every test of a rule has mutants that it has to find", () => {
  const tests = readdirSync(join(TESTS, "rules")).filter((name) => name.endsWith(".test.ts"));
  const used = new Set(RULE_MUTANTS.map(({ foundBy }) => foundBy));
  for (const name of tests) assert(used.has(`rules/${name}`), `a mutant is found by ${name}`);
});

test("docs/rules.md names every mutant beside the test that finds it", () => {
  const rows = readFileSync(join(ROOT, "docs/rules.md"), "utf8").split("\n");
  for (const { name, foundBy } of RULE_MUTANTS) {
    const isThere = rows.some((row) => row.includes(foundBy) && row.includes(name));
    assert(isThere, `a row of docs/rules.md names ${foundBy} and "${name}"`);
  }
});

/** Returns what the tests say, whether they pass or not. */
function run(parameters: string[], mutant: RuleMutant | { seed: number | undefined }): Promise<string> {
  const planted = pathToFileURL(join(import.meta.dirname, "planted.ts")).href;
  const all = ["--import", planted, "--test-reporter=tap", ...parameters];
  const env = {
    ...process.env,
    SEED: mutant.seed?.toString(),
    MUTANT: "file" in mutant ? JSON.stringify(mutant) : undefined,
    NODE_COMPILE_CACHE: compiled,
    // It is a test by itself, and reports to us.
    NODE_TEST_CONTEXT: undefined,
  };
  return new Promise((resolve) => {
    const done = (_: unknown, stdout: string, stderr: string): void => resolve(stdout + stderr);
    execFile(process.execPath, all, { timeout: TIMEOUT_MS, env }, done);
  });
}
