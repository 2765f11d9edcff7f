import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { benchBudgets } from "./budgets/bench.ts";
import { benchCore } from "./core/bench.ts";
import { benchDataPlane } from "./data-plane/bench.ts";
import { render, type Report } from "./figures.ts";
import { describeMachine, renderMachine } from "./machine.ts";
import { type Size, SIZES } from "./sizes.ts";
import { benchStartUp } from "./start-up/bench.ts";
import { benchSupervisors } from "./supervisors/bench.ts";
import { benchWorker } from "./worker/bench.ts";

interface Options {
  only?: string;
  quick?: boolean;
  json?: string;
  profile?: string;
}

const BENCHES: Record<string, (size: Size, options: Options) => Promise<Report>> = {
  "data-plane": (size, { profile }) => benchDataPlane(size, profile ?? null),
  budgets: (size) => benchBudgets(size),
  worker: (size) => benchWorker(size),
  core: (size) => benchCore(size),
  supervisors: (size, { profile }) => benchSupervisors(size, profile ?? null),
  "start-up": (size) => benchStartUp(size),
};

const options = new Command("npm run bench --")
  .description("Measures Headgate beside what it is compared with. bench/README.md says how to read it.")
  .addOption(new Option("--only <bench>", "run this one").choices(Object.keys(BENCHES)))
  .option("--quick", "fewer rounds and shorter ones: a first look")
  .option("--json <file>", "write machine, commit and figures into this file too")
  .option(
    "--profile <folder>",
    "leave CPU profiles of the Headgate processes of data-plane and supervisors there",
  )
  .parse()
  .opts<Options>();

const size = options.quick === true ? "quick" : "full";
const machine = describeMachine();
console.log(`${renderMachine(machine)}\nsize     ${size}, ${SIZES[size].rounds} rounds\n`);
const reports: Report[] = [];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (options.only !== undefined && options.only !== name) continue;
  const report = await bench(SIZES[size], options);
  reports.push(report);
  console.log(render(report));
}
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ machine, size, reports }, null, 2)}\n`);
}
