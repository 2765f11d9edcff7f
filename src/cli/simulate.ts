import type { Command } from "commander";
import { addCompareCommand } from "./simulate-compare.ts";
import { addFaultsCommand } from "./simulate-faults.ts";
import { addRunCommand } from "./simulate-run.ts";

export function addSimulateCommand(program: Command): void {
  const simulate = program
    .command("simulate")
    .description("the scheduler in a virtual world: run a workload, compare policies, or search for faults")
    .addHelpText(
      "after",
      `
Without a subcommand, \`faults\` is meant. Each has its own --help.

Examples:
  $ npm run headgate -- simulate --seeds 100
  $ npm run headgate -- simulate run --workload poisson:rate=4 --fleet 8xh100-llama-3.1-8b --html run.html
  $ npm run headgate -- simulate compare --workload poisson:rate=4 --placement round-robin --placement kv-router`,
    );
  addRunCommand(simulate);
  addCompareCommand(simulate);
  addFaultsCommand(simulate);
}
