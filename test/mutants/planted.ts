/**
 * Loaded before a test of properties, which then draws the same every time and stops at the first that fails. `SEED` says
 * from which number it draws, and `MUTANT`, if there is one, which fault is planted in the source as it is loaded.
 */
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import type { Mutant } from "./mutants.ts";

const { SEED = "1", MUTANT } = process.env;
fc.configureGlobal({ seed: Number(SEED), endOnFailure: true });

if (MUTANT !== undefined) {
  const { file, from, to } = JSON.parse(MUTANT) as Mutant;
  const mutated = pathToFileURL(join(import.meta.dirname, "../../src", file)).href;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url !== mutated) return loaded;
      assert(loaded.source instanceof Uint8Array, `${file} is read as it is`);
      const parts = new TextDecoder().decode(loaded.source).split(from);
      assert.equal(parts.length, 2, `the text to be replaced occurs once in ${file}`);
      return { ...loaded, source: parts.join(to) };
    },
  });
}
