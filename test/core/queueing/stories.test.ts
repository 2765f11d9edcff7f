import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BANDS, FAIRNESS, ORDERING } from "../../../src/core/queueing/catalogues.ts";
import { retellQueue } from "./queue-story.ts";

/** Stories about the queue, as `test/core/transcripts` are about the whole core. */
const FOLDER = join(import.meta.dirname, "transcripts");
const NAMES = readdirSync(FOLDER).sort();

for (const name of NAMES) {
  test(`queue story ${name}`, () => {
    const file = join(FOLDER, name);
    const written = readFileSync(file, "utf8");
    const told = retellQueue(written);
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") writeFileSync(file, told);
    else assert.equal(told, written);
  });
}

test("every policy of the queue has a story", () => {
  const policies = [BANDS, FAIRNESS, ORDERING].flatMap((catalogue) => Object.keys(catalogue));
  const missing = policies.filter((name) => !NAMES.some((file) => file.startsWith(`${name}.`)));
  assert.deepEqual(missing, []);
});
