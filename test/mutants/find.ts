/**
 * Runs seeds on a mutated copy of the source until a checker finds a violation. Called with the
 * copy's folder and the number of seeds; prints the finding as JSON, null when there is none.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { simulate as simulateUnchanged } from "../../src/simulator/simulate.ts";
import type { Finding } from "./finding.ts";

const [folder, seeds] = process.argv.slice(2);
const module_ = pathToFileURL(join(folder!, "src/simulator/simulate.ts")).href;
const { simulate } = (await import(module_)) as { simulate: typeof simulateUnchanged };

let finding: Finding | null = null;
for (let seed = 1; seed <= Number(seeds) && finding === null; seed++) {
  const [violation] = simulate({ seed }).violations;
  if (violation !== undefined) {
    const { checker, message } = violation;
    finding = { seed, checker, message: message.split("\n", 1)[0]! };
  }
}
console.log(JSON.stringify(finding));
