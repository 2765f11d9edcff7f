import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const FOLDER = mkdtempSync(join(tmpdir(), "headgate-validate-"));
after(() => rmSync(FOLDER, { recursive: true }));

const MAIN = join(import.meta.dirname, "../../bench/validate/main.ts");

function validate(shared: string, ...options: string[]): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, "--only", "block-hits", ...options], {
    encoding: "utf8",
    env: { ...process.env, HEADGATE_SHARED: shared },
  });
  return { status, stdout };
}

test("what can't be looked at is skipped, saying so, and is no failure", () => {
  const json = join(FOLDER, "lines.json");
  const markdown = join(FOLDER, "lines.md");
  const { status, stdout } = validate(join(FOLDER, "nowhere"), "--json", json, "--markdown", markdown);
  assert.equal(status, 0);
  assert.match(stdout, /^skipped {2}conversation, a cache that never forgets .*is not there$/m);
  assert.match(stdout, /^0 hold, 0 missed, 6 skipped$/m);
  const { reports } = JSON.parse(readFileSync(json, "utf8")) as { reports: { lines: unknown[] }[] };
  assert.equal(reports[0]!.lines.length, 6);
  assert.match(
    readFileSync(markdown, "utf8"),
    /^## block-hits\n\n.*`npm run validate -- --only block-hits`/m,
  );
});

test("a figure that is missed fails the run", () => {
  const traces = join(FOLDER, "shared", "traces", "mooncake");
  mkdirSync(traces, { recursive: true });
  const request = '{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [0, 1]}';
  for (const name of ["conversation", "synthetic"]) {
    writeFileSync(join(traces, `${name}_trace.jsonl`), `${request}\n${request}\n`);
  }
  const { status, stdout } = validate(join(FOLDER, "shared"));
  assert.equal(status, 1);
  assert.match(
    stdout,
    /^missed {3}conversation, a cache that never forgets .*expected 0\.36641 +got 0\.50000/m,
  );
});
