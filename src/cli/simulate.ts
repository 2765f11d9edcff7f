import type { Command } from "commander";
import { simulateCommand, type SimulateOptions } from "../simulator/command.ts";
import { parseCount, parseSeed } from "./arguments.ts";

const ERASE_LINE = "\r\u001b[K";

export function addSimulateCommand(program: Command): void {
  program
    .command("simulate")
    .description(
      "run the supervisor in a virtual world with faults drawn from a seed, and check what it does",
    )
    .option("--seed <number>", "the first seed", parseSeed, 1)
    .option("--seeds <count>", "how many seeds, one after the other", parseCount)
    .option("--requests <count>", "requests in each run", parseCount)
    .option("--json", "print each report as a line of JSON")
    .option("--record <file>", "record a single run, for `headgate replay`")
    .action((given: SimulateOptions) => {
      const isTerminal = process.stderr.isTTY;
      process.exitCode = simulateCommand(given, {
        print: (text) => void process.stdout.write(text),
        progress: (text) => {
          if (isTerminal) process.stderr.write(`${ERASE_LINE}${text}\r`);
        },
      });
    });
}
