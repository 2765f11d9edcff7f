import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const CONCURRENCY = 2;

/** A fault planted in the auditor, and a test that has to fail by it: an auditor that passes over something is worth nothing. */
interface Mutant {
  name: string;
  /** Relative to `src/ledger/audit`. */
  file: string;
  from: string;
  to: string;
  /** Of `test/audit`, and the test's name. */
  test: [file: string, name: string];
}

const MUTANTS: readonly Mutant[] = [
  {
    name: "hashes are not compared",
    file: "walk.ts",
    from: "if (expected !== found) {",
    to: "if (expected === found && position < 0) {",
    test: ["tampering.test.ts", "in entries"],
  },
  {
    name: "signatures are not checked",
    file: "walk.ts",
    from: "if (isSignedBy(checkpoint, verifier)) return;",
    to: "if (verifier.keyId !== '') return;",
    test: ["tampering.test.ts", "computed anew without the key"],
  },
  {
    name: "checkpoints may be missing",
    file: "walk.ts",
    from: "if (since > LINKS_PER_CHECKPOINT) {",
    to: "if (since > LINKS_PER_CHECKPOINT * 9) {",
    test: ["tampering.test.ts", "all checkpoints were taken out"],
  },
  {
    name: "the end may be missing",
    file: "walk.ts",
    from: "if (kept === null || this.#isKeptSeen) return;",
    to: "if (kept === null || kept.position > 0) return;",
    test: ["tampering.test.ts", "the end was cut off"],
  },
  {
    name: "a kept checkpoint is not compared",
    file: "walk.ts",
    from: "if (found !== kept.hash) {",
    to: "if (found === '') {",
    test: ["tampering.test.ts", "even with the key"],
  },
  {
    name: "what is not covered is not looked for",
    file: "compare-tables.ts",
    from: "if ((last ?? 0) <= covered) return;",
    to: "if ((last ?? 0) >= 0) return;",
    test: ["tampering.test.ts", "that nobody has chained"],
  },
  {
    name: "limits are not compared with what was recorded",
    file: "compare-tables.ts",
    from: "if (missing === null && extra === null) return;",
    to: "if (missing === null || check === 'limits') return;",
    test: ["tampering.test.ts", "in limits"],
  },
  {
    name: "nobody minds that changes are not recorded any more",
    file: "compare-tables.ts",
    from: "if (missing === undefined && extra === undefined) return;",
    to: "if (extra === undefined) return;",
    test: ["tampering.test.ts", "that nobody has chained"],
  },
  {
    name: "balances are not compared",
    file: "compare-summary.ts",
    from: `if (!isRight) fail("balances"`,
    to: `if (!isRight && name === "") fail("balances"`,
    test: ["tampering.test.ts", "in balances"],
  },
  {
    name: "use that nobody had is not found",
    file: "compare-summary.ts",
    from: "if (expected !== null || found !== null)",
    to: "if (expected === '')",
    test: ["tampering.test.ts", "in usage"],
  },
  {
    name: "open holds are not compared",
    file: "compare-summary.ts",
    from: `compareKeyed("open holds", expected.holds, found.holds);`,
    to: "",
    test: ["tampering.test.ts", "a hold that was forgotten"],
  },
  {
    name: "a quick look does not reckon back",
    file: "verify-quick.ts",
    from: "if (found === expected) return;",
    to: "if (found !== '') return;",
    test: ["tampering.test.ts", "a quick look finds"],
  },
  {
    name: "what stays behind may be anything",
    file: "segments.ts",
    from: "if (found !== line) fail(",
    to: "if (found === '') fail(",
    test: ["compaction.test.ts", "what stays in the ledger"],
  },
  {
    name: "files of segments are not compared with their hashes",
    file: "segments.ts",
    from: "if (found === fileHash) return packed;",
    to: "if (found !== '') return packed;",
    test: ["compaction.test.ts", "whatever byte of a segment"],
  },
  {
    name: "rows are deleted before the segment is in the ledger",
    file: "compact.ts",
    from: "insert.run(number, position,",
    to: "database.exec(`DELETE FROM entries WHERE sequence <= ${last.sequence}; COMMIT; BEGIN`); insert.run(number, position,",
    test: ["compaction.test.ts", "wherever it is broken off"],
  },
  {
    name: "what nobody has covered passes for Headgate's own",
    file: "chain.ts",
    from: `    let head = this.#coverAdministration("unattributed");`,
    to: `    let head = this.#coverAdministration("administration");`,
    test: ["tampering.test.ts", "chained by a group of entries"],
  },
  {
    name: "an export need not be signed",
    file: "verify.ts",
    from: "if (walk.signedThrough === null || walk.unsigned > 0) throw",
    to: "if (walk.unsigned < 0) throw",
    test: ["cli.test.ts", "computed anew without a key"],
  },
  {
    name: "an export may end anywhere",
    file: "audit-file.ts",
    from: "if (end.links !== count)",
    to: "if (end.links < count)",
    test: ["cli.test.ts", "an export of everything"],
  },
];

describe("the audit's tests find", { concurrency: CONCURRENCY }, () => {
  for (const mutant of MUTANTS) {
    test(mutant.name, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), "headgate-auditor-"));
      context.after(() => rmSync(folder, { recursive: true }));
      for (const path of ["package.json", "src", "test/audit", "test/ledger", "test/cli"]) {
        cpSync(join(ROOT, path), join(folder, path), { recursive: true });
      }
      symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
      const [file, name] = mutant.test;
      assert.equal(await passes(folder, file, name), true, "without the fault the test passes");
      plant(mutant, join(folder, "src/ledger/audit"));
      assert.equal(await passes(folder, file, name), false, "and fails with it");
    });
  }
});

function plant({ file, from, to }: Mutant, source: string): void {
  const path = join(source, file);
  const parts = readFileSync(path, "utf8").split(from);
  assert.equal(parts.length, 2, `the text to be replaced occurs once in ${file}`);
  writeFileSync(path, parts.join(to));
}

function passes(folder: string, file: string, name: string): Promise<boolean> {
  const given = [
    "--test",
    "--test-reporter=tap",
    "--test-name-pattern",
    name,
    join(folder, "test/audit", file),
  ];
  // Not as a part of this run of tests.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, given, { cwd: folder, env }, (error, stdout) => {
      const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1]);
      const failed = Number(/^# fail (\d+)$/m.exec(stdout)?.[1]);
      if (passed + failed > 0) resolve(failed === 0);
      else reject(new Error(`No such test: ${stdout}`, { cause: error }));
    });
  });
}
