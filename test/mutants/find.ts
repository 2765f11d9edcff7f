/**
 * Runs seeds on a mutated copy of the source until a checker finds a violation. Called with the
 * copy's folder, the number of seeds and perhaps one that is tried before them; prints the finding as JSON, null when there
 * is none.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { simulate as simulateUnchanged } from "../../src/simulator/simulate.ts";
import type { Finding } from "./finding.ts";

const [folder, count, ...first] = process.argv.slice(2);
const module_ = pathToFileURL(join(folder!, "src/simulator/simulate.ts")).href;
const { simulate } = (await import(module_)) as { simulate: typeof simulateUnchanged };

let finding: Finding | null = null;
const seeds = [...first.map(Number), ...Array.from({ length: Number(count) }, (_, i) => i + 1)];
for (const seed of seeds) {
  const [violation] = simulate({ seed }).violations;
  if (violation === undefined) continue;
  const { checker, message } = violation;
  finding = { seed, checker, message: message.split("\n", 1)[0]! };
  break;
}
console.log(JSON.stringify(finding));
