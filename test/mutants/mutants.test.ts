import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import type { Finding } from "./finding.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";

const SEEDS = 300;

const TIMEOUT_MS = 60_000;

const ROOT = join(import.meta.dirname, "../..");

/** What a simulation is made of; the gateway and the engines have no part in it. */
const SIMULATED = [
  "package.json",
  "src/core",
  "src/supervisor",
  "src/ledger",
  "src/recording",
  "src/simulator",
];

describe("the simulator finds", { concurrency: availableParallelism() }, () => {
  for (const mutant of MUTANTS) {
    test(mutant.name, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), "headgate-mutant-"));
      context.after(() => rmSync(folder, { recursive: true }));
      for (const path of SIMULATED) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
      plant(mutant, join(folder, "src"));

      const finding = await find(folder, mutant);
      assert(finding !== null, `${SEEDS} seeds do not show it`);
      context.diagnostic(`seed ${finding.seed}, ${finding.checker}: ${finding.message}`);
    });
  }
});

function plant({ file, from, to }: Mutant, source: string): void {
  const path = join(source, file);
  const parts = readFileSync(path, "utf8").split(from);
  assert.equal(parts.length, 2, `the text to be replaced occurs once in ${file}`);
  writeFileSync(path, parts.join(to));
}

async function find(folder: string, { seed, isShared }: Mutant): Promise<Finding | null> {
  const program = join(import.meta.dirname, "find.ts");
  // A mutant may well hang; that is not found, and must not hold up the others.
  const options = { timeout: TIMEOUT_MS };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      program,
      folder,
      isShared ? "shared" : "alone",
      String(SEEDS),
      ...(seed === undefined ? [] : [String(seed)]),
    ],
    options,
  );
  return JSON.parse(stdout) as Finding | null;
}
