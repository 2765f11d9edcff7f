import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { codeOnly } from "./code-text.ts";
import { findViolations, report, typeViolations, type Violation } from "./purity.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const CORE_FILE = "src/core/queueing/queue.ts";
const LOOP_FILE = "src/supervisor/loop.ts";

test("the core decides and does nothing else, and the loop reaches the world through its ports only", () => {
  assert.equal(report(findViolations(ROOT)), "");
});

test("the core compiles without the types of any platform", () => {
  assert.equal(report(typeViolations(ROOT)), "");
});

/** Each is planted by itself into a copy, and has to be found where it was planted. */
const PLANTS: readonly { file: string; code: string; why: RegExp }[] = [
  { file: CORE_FILE, code: "export const since = Date.now();", why: /time/ },
  { file: CORE_FILE, code: "export const since = new Date();", why: /time/ },
  { file: CORE_FILE, code: "export const since = performance.now();", why: /time/ },
  { file: CORE_FILE, code: "export const draw = `drawn ${Math.random()}`;", why: /randomness/ },
  { file: CORE_FILE, code: "export const { random } = Math;", why: /randomness/ },
  { file: CORE_FILE, code: 'export const draw = Math["random"]();', why: /randomness/ },
  { file: CORE_FILE, code: "setTimeout(() => {}, 1);", why: /timers/ },
  { file: CORE_FILE, code: "export const wait = async () => {};", why: /promises/ },
  { file: CORE_FILE, code: "export const home = process.env;", why: /configuration/ },
  { file: CORE_FILE, code: 'console.log("seen");', why: /effect/ },
  { file: CORE_FILE, code: 'export const clock = globalThis["Date"];', why: /around/ },
  { file: CORE_FILE, code: 'import "node:fs";', why: /only src\/core may/ },
  { file: CORE_FILE, code: 'import { readFileSync } from "node:fs";', why: /only src\/core may/ },
  { file: CORE_FILE, code: 'export { request } from "undici";', why: /only src\/core may/ },
  {
    file: CORE_FILE,
    code: 'import type { Ports } from "../../supervisor/ports.ts";',
    why: /only src\/core may/,
  },
  { file: CORE_FILE, code: 'export const late = import("node:fs");', why: /static/ },
  { file: LOOP_FILE, code: 'import { request } from "undici";', why: /only src\/core and/ },
  { file: LOOP_FILE, code: 'import { readFileSync } from "node:fs";', why: /only src\/core and/ },
  {
    file: LOOP_FILE,
    code: 'import { createSystemTimer } from "./system-timer.ts";',
    why: /only src\/core and/,
  },
  { file: LOOP_FILE, code: "export const since = Date.now();", why: /time/ },
  { file: LOOP_FILE, code: "setTimeout(() => {}, 1);", why: /timers/ },
  { file: "src/supervisor/ports.ts", code: 'import type { Pool } from "undici";', why: /only src\/core may/ },
];

for (const { file, code, why } of PLANTS) {
  test(`planted in ${file} and found: ${code}`, (context) => {
    const root = copyOfSources(context);
    const line = plant(root, { file, code });
    const found = findViolations(root);
    assert.deepEqual(placesOf(found), [`${file}:${line}`], report(found));
    assert.match(report(found), why);
  });
}

test("planted in the core and found by the compiler: platforms, and whatever is outside", (context) => {
  const root = copyOfSources(context);
  const planted = [
    { file: "src/core/admission/admission.ts", code: "setTimeout(() => {}, 1);" },
    { file: "src/core/budget/budget.ts", code: 'import "node:fs";' },
    { file: "src/core/fleet/fleet.ts", code: 'console.log("seen");' },
    { file: "src/core/planning/plan.ts", code: "export const home = process.env;" },
    { file: CORE_FILE, code: 'export { createLoop } from "../../supervisor/loop.ts";' },
  ];
  const expected = planted.map((each) => `${each.file}:${plant(root, each)}`);
  const found = placesOf(typeViolations(root));
  for (const place of expected) assert(found.includes(place), `${place} is not among ${found.join(", ")}`);
});

test("words in comments, strings and expressions to match are not code", () => {
  const harmless = [
    "// Date.now() and setTimeout",
    "/** Math.random(), await */",
    'const text = "process.exit" + \'console\' + "\\"fetch";',
    'const pattern = /[/"]Date\\/now/;',
    "const half = total / 2 / count;",
    "const told = `Date ${name} console ${`process ${text}`} await`;",
  ];
  const code = codeOnly(harmless.join("\n"));
  assert.doesNotMatch(code, /Date|setTimeout|Math|await|process|console|fetch/);
  assert.match(code, /total \/ 2 \/ count/);
  assert.match(code, /\$\{name\}/);
  assert.equal(code.split("\n").length, harmless.length);
  assert.match(codeOnly("`${ { a: Date.now() } }`"), /Date\.now/);
});

function copyOfSources(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "headgate-purity-"));
  context.after(() => rmSync(root, { recursive: true }));
  for (const path of ["src/core", "src/supervisor", "tsconfig.json"]) {
    cpSync(join(ROOT, path), join(root, path), { recursive: true });
  }
  return root;
}

/** Returns the line on which the code stands. */
function plant(root: string, { file, code }: { file: string; code: string }): number {
  const path = join(root, file);
  const source = readFileSync(path, "utf8");
  writeFileSync(path, `${source}${code}\n`);
  return source.split("\n").length;
}

function placesOf(violations: readonly Violation[]): string[] {
  return [...new Set(violations.map(({ file, line }) => `${file}:${line}`))];
}
