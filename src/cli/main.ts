#!/usr/bin/env node
import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };

/** In the order of the help. Each brings what it needs, which for some is a lot. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  up: async () => (await import("./up.ts")).addUpCommand,
  worker: async () => (await import("./worker.ts")).addWorkerCommand,
  status: async () => (await import("./status.ts")).addStatusCommand,
  keys: async () => (await import("./keys.ts")).addKeysCommand,
  policy: async () => (await import("./policy.ts")).addPolicyCommand,
  budgets: async () => (await import("./budgets.ts")).addBudgetsCommand,
  prices: async () => (await import("./prices.ts")).addPricesCommand,
  audit: async () => (await import("./audit.ts")).addAuditCommand,
  chargeback: async () => (await import("./chargeback.ts")).addChargebackCommand,
  simulate: async () => (await import("./simulate.ts")).addSimulateCommand,
  calibrate: async () => (await import("./calibrate.ts")).addCalibrateCommand,
  replay: async () => (await import("./replay.ts")).addReplayCommand,
};

const program = new Command("headgate")
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError("Add --help to see what can be given.");

// Only what is asked for is loaded; the help, and what to say of a wrong name, take all.
const asked = process.argv[2] ?? "";
const needed = Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);

try {
  for (const name of needed) (await COMMANDS[name]!())(program);
  await program.parseAsync();
} catch (error) {
  console.error(`headgate: ${(error as Error).message}`);
  // Ends the process even where something else, such as the channel to a parent, would keep it.
  process.exit(1);
}
