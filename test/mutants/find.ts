/**
 * Runs seeds on a mutated copy of the source until a checker finds a violation. Called with the
 * copy's folder, `alone` or `shared`, the number of seeds and perhaps one that is tried before them; prints the finding as JSON, null when there
 * is none.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { simulateShared } from "../../src/simulator/replicas/simulate-shared.ts";
import type { simulate } from "../../src/simulator/simulate.ts";
import type { Finding } from "./finding.ts";

/** Of worlds with several supervisors; a smaller one shows as much. */
const SHARED_REQUESTS = 150;

const [folder, world, count, ...first] = process.argv.slice(2);

async function importFrom<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(folder!, path)).href)) as Module;
}

type Run = (seed: number) => ReturnType<typeof simulate>["violations"];

async function runOf(): Promise<Run> {
  if (world === "alone") {
    const alone = await importFrom<{ simulate: typeof simulate }>("src/simulator/simulate.ts");
    return (seed) => alone.simulate({ seed }).violations;
  }
  const path = "src/simulator/replicas/simulate-shared.ts";
  const shared = await importFrom<{ simulateShared: typeof simulateShared }>(path);
  return (seed) => shared.simulateShared({ seed, requests: SHARED_REQUESTS, supervisors: null }).violations;
}

const run = await runOf();

let finding: Finding | null = null;
const seeds = [...first.map(Number), ...Array.from({ length: Number(count) }, (_, i) => i + 1)];
for (const seed of seeds) {
  const [violation] = run(seed);
  if (violation === undefined) continue;
  const { checker, message } = violation;
  finding = { seed, checker, message: message.split("\n", 1)[0]! };
  break;
}
console.log(JSON.stringify(finding));
