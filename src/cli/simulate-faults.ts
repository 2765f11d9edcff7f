import type { Command } from "commander";
import { simulateCommand, type SimulateOptions } from "../simulator/command.ts";
import { parseCount, parseSeed, parseSupervisors } from "./arguments.ts";
import { StatusLine } from "./status-line.ts";

export function addFaultsCommand(simulate: Command): void {
  simulate
    .command("faults", { isDefault: true })
    .description("run the supervisor with faults drawn from a seed, and check what it does")
    .option("--seed <number>", "the first seed", parseSeed, 1)
    .option("--seeds <count>", "how many seeds, one after the other", parseCount)
    .option("--requests <count>", "requests in each run", parseCount)
    .option(
      "--supervisors [count]",
      "several on one ledger: so many, or 2 to 4 as each seed says",
      parseSupervisors,
    )
    .option("--json", "print each report as a line of JSON")
    .option("--record <file>", "record a single run, for `headgate replay`")
    .action((given: SimulateOptions) => {
      const status = new StatusLine();
      process.exitCode = simulateCommand(given, {
        print: (text) => {
          status.clear();
          process.stdout.write(text);
        },
        progress: (text) => status.show(text),
      });
    });
}
