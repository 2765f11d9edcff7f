#!/usr/bin/env node
import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { addBudgetsCommand } from "./budgets.ts";
import { addKeysCommand } from "./keys.ts";
import { addReplayCommand } from "./replay.ts";
import { addSimulateCommand } from "./simulate.ts";
import { addStatusCommand } from "./status.ts";
import { addUpCommand } from "./up.ts";
import { addWorkerCommand } from "./worker.ts";

const program = new Command("headgate")
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError("Add --help to see what can be given.");

addUpCommand(program);
addWorkerCommand(program);
addStatusCommand(program);
addKeysCommand(program);
addBudgetsCommand(program);
addSimulateCommand(program);
addReplayCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`headgate: ${(error as Error).message}`);
  // Ends the process even where something else, such as the channel to a parent, would keep it.
  process.exit(1);
}
