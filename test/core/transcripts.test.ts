import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { retell } from "./transcript.ts";

/**
 * Each file under `transcripts/` is a story about the core: what happens, and what it decides.
 * `UPDATE_TRANSCRIPTS=1` writes down what the core says now; whether that is right is for the
 * reader of the diff to judge.
 */
const FOLDER = join(import.meta.dirname, "transcripts");

for (const name of readdirSync(FOLDER).sort()) {
  test(`transcript ${name}`, () => {
    const file = join(FOLDER, name);
    const written = readFileSync(file, "utf8");
    const told = retell(written);
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") writeFileSync(file, told);
    else assert.equal(told, written);
  });
}
